public import MeshBase

/// What a relay says of itself (Contracts/STORAGE.md section 6): fields in ascending order of type.
///
///     type (2), byte count (2), value
///
/// | type | value |
/// |---|---|
/// | 1 | URL, `wss://host[:port]`; 1 to 255 bytes of UTF-8; required |
/// | 2 | region, for people; 1 to 32 bytes of UTF-8 |
public struct RelayDescriptor: Hashable, Sendable {
    /// The contract takes no more.
    public static let byteCountMax = 512
    private static let urlByteCountMax = 255
    private static let regionByteCountMax = 32

    /// Where the relay is.
    public let url: RelayURL
    /// Where in the world it says it is.
    public let region: String?

    /// Makes a descriptor; `nil` when the region or the text of the URL is too long, or has control characters, or the URL has
    /// a path: nobody who registers a relay is to choose what others ask some server for.
    public init?(url: RelayURL, region: String?) {
        guard url.path == RelayURL.defaultPath else { return nil }
        guard Self.text(Array(url.description.utf8)[...], byteCountMax: Self.urlByteCountMax) != nil else { return nil }
        if let region, Self.text(Array(region.utf8)[...], byteCountMax: Self.regionByteCountMax) == nil { return nil }
        self.url = url
        self.region = region
    }

    /// Reads a descriptor; `nil` when it does not add up. Fields of other types are skipped.
    public init?(bytes: [UInt8]) {
        guard bytes.count <= Self.byteCountMax else { return nil }
        var rest = bytes[...]
        var lastType = -1
        var url: RelayURL?
        var region: String?
        while !rest.isEmpty {
            guard let type = Self.popNumber(&rest), let count = Self.popNumber(&rest), type > lastType,
                count <= rest.count
            else { return nil }
            let value = rest.prefix(count)
            rest = rest.dropFirst(count)
            lastType = type
            switch type {
            case 1:
                guard let text = Self.text(value, byteCountMax: Self.urlByteCountMax) else { return nil }
                guard let parsed = try? RelayURL(text), parsed.path == RelayURL.defaultPath else { return nil }
                url = parsed
            case 2:
                guard let text = Self.text(value, byteCountMax: Self.regionByteCountMax) else { return nil }
                region = text
            default: break
            }
        }
        guard let url else { return nil }
        self.url = url
        self.region = region
    }

    /// The bytes that are registered.
    public var encoded: [UInt8] {
        Self.field(1, Array(url.description.utf8)) + (region.map { Self.field(2, Array($0.utf8)) } ?? [])
    }

    private static func field(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [0, type, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
    }

    private static func popNumber(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard let high = bytes.popFirst(), let low = bytes.popFirst() else { return nil }
        return Int(high) << 8 | Int(low)
    }

    private static func text(_ bytes: ArraySlice<UInt8>, byteCountMax: Int) -> String? {
        guard (1...byteCountMax).contains(bytes.count), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            return nil
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
