/// A value in Recursive Length Prefix encoding (Yellow Paper appendix B): bytes, or a list of values.
///
/// | first byte | what follows |
/// |---|---|
/// | 00...7F | nothing: the byte is the value |
/// | 80...B7 | that less 80 bytes |
/// | B8...BF | that less B7 bytes of a length from 56, then as many bytes |
/// | C0...F7 | that less C0 bytes of encoded values |
/// | F8...FF | that less F7 bytes of a length from 56, then as many bytes of encoded values |
public enum RLPItem: Hashable, Sendable {
    /// A string of bytes.
    case bytes([UInt8])
    /// A list.
    case list([RLPItem])

    /// A number, without leading zeros.
    public static func number(_ number: UInt64) -> RLPItem { .bytes(Word256(number).minimalBytes) }
    /// A number, without leading zeros.
    public static func number(_ number: UInt128) -> RLPItem { .bytes(Word256(wide: number).minimalBytes) }
    /// A number, without leading zeros.
    public static func number(_ number: Word256) -> RLPItem { .bytes(number.minimalBytes) }

    /// The bytes, when it is not a list.
    public var stringBytes: [UInt8]? {
        guard case .bytes(let bytes) = self else { return nil }
        return bytes
    }

    /// The values, when it is a list.
    public var items: [RLPItem]? {
        guard case .list(let items) = self else { return nil }
        return items
    }

    /// The encoding.
    public var encoded: [UInt8] {
        var result: [UInt8] = []
        append(to: &result)
        return result
    }

    private func append(to result: inout [UInt8]) {
        switch self {
        case .bytes(let bytes):
            guard bytes.count != 1 || bytes[0] >= 0x80 else {
                result.append(bytes[0])
                return
            }
            Self.appendHead(0x80, byteCount: bytes.count, to: &result)
            result += bytes
        case .list(let items):
            var payload: [UInt8] = []
            for item in items { item.append(to: &payload) }
            Self.appendHead(0xC0, byteCount: payload.count, to: &result)
            result += payload
        }
    }

    private static func appendHead(_ kind: UInt8, byteCount: Int, to result: inout [UInt8]) {
        guard byteCount > RLPDecoder.shortByteCountMax else {
            result.append(kind + UInt8(byteCount))
            return
        }
        let length = Word256(UInt64(byteCount)).minimalBytes
        result.append(kind + UInt8(RLPDecoder.shortByteCountMax + length.count))
        result += length
    }
}
