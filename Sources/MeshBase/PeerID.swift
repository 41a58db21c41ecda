/// The name of a node or relay: SHA-256 over a domain-separation string and both of its public keys.
///
/// 32 bytes on the wire; as text 52 characters of lower-case base32. Ordered as a big-endian number.
public struct PeerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Byte count on the wire.
    public static let byteCount = 32
    /// Character count of the text form.
    public static let characterCount = 52

    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Makes an ID from exactly 32 bytes; `nil` for any other count.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ index: Int) -> UInt64 { bytes[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Parses the 52-character text form, of either case; `nil` when it is not one.
    public init?(text: String) {
        guard text.utf8.count == Self.characterCount, let bytes = Base32.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 32 bytes of the ID.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Self.byteCount)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return result
    }

    /// The 52-character text form.
    public var description: String { Base32.encode(bytes) }

    /// The first ten characters, for tables and logs where the whole would not fit.
    public var abbreviated: String { String(description.prefix(10)) }

    /// Whether both IDs are the same; IDs are public, so the comparison need not be constant-time.
    public static func == (left: PeerID, right: PeerID) -> Bool { left.words == right.words }
    /// Whether `left` is the lower ID, read as a big-endian number.
    public static func < (left: PeerID, right: PeerID) -> Bool { left.words < right.words }
    /// Feeds the ID to `hasher`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}
