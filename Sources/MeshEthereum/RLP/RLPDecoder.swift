/// Reads RLP that someone else wrote: only the one shortest encoding of each value is taken, so that what was read
/// encodes to the same bytes.
public struct RLPDecoder: Sendable {
    /// Longest payload whose length stands in the first byte.
    static let shortByteCountMax = 55
    /// The most bytes that are looked at: headers, trie nodes and transactions have far less.
    public static let byteCountMax = 1 << 20
    /// How deep lists may nest: an access list inside a transaction is at depth 4, all else is flatter.
    public static let depthMax = 8

    private let bytes: [UInt8]
    private var offset = 0

    /// Decodes one value that takes all of `bytes`.
    public static func decode(_ bytes: [UInt8]) throws(RLPError) -> RLPItem {
        guard bytes.count <= byteCountMax else { throw .tooLong(byteCount: bytes.count) }
        var decoder = RLPDecoder(bytes: bytes)
        let item = try decoder.item(end: bytes.count, depth: 0)
        guard decoder.offset == bytes.count else { throw .trailing(byteCount: bytes.count - decoder.offset) }
        return item
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// The value at `offset`, which may reach to `end`.
    private mutating func item(end: Int, depth: Int) throws(RLPError) -> RLPItem {
        guard depth <= Self.depthMax else { throw .tooDeep }
        guard offset < end else { throw .truncated }
        let first = bytes[offset]
        offset += 1
        switch first {
        case 0x00...0x7F: return .bytes([first])
        case 0x80...0xBF:
            let count = try payloadByteCount(first - 0x80, end: end)
            let payload = Array(bytes[offset..<offset + count])
            offset += count
            if count == 1, payload[0] < 0x80 { throw .notShortest }
            return .bytes(payload)
        default:
            let count = try payloadByteCount(first - 0xC0, end: end)
            let listEnd = offset + count
            var items: [RLPItem] = []
            while offset < listEnd { items.append(try item(end: listEnd, depth: depth + 1)) }
            return .list(items)
        }
    }

    /// How many bytes follow, all of them before `end`.
    private mutating func payloadByteCount(_ short: UInt8, end: Int) throws(RLPError) -> Int {
        var count = Int(short)
        if count > Self.shortByteCountMax {
            let lengthByteCount = count - Self.shortByteCountMax
            guard lengthByteCount <= end - offset else { throw .truncated }
            let length = bytes[offset..<offset + lengthByteCount]
            offset += lengthByteCount
            guard length.first != 0 else { throw .notShortest }
            // Four bytes are more than the longest input; eight would overflow below.
            guard lengthByteCount <= 4 else { throw .truncated }
            count = length.reduce(0) { $0 << 8 | Int($1) }
            guard count > Self.shortByteCountMax else { throw .notShortest }
        }
        guard count <= end - offset else { throw .truncated }
        return count
    }
}

/// Why bytes are not the RLP of a value.
public enum RLPError: Error, Equatable, Sendable {
    /// A length reaches beyond the end of the input or of the list around it.
    case truncated
    /// Bytes are left over.
    case trailing(byteCount: Int)
    /// There is a shorter encoding of the same value.
    case notShortest
    /// Lists nest deeper than ``RLPDecoder/depthMax``.
    case tooDeep
    /// The input is longer than ``RLPDecoder/byteCountMax``.
    case tooLong(byteCount: Int)
}
