import MeshBase

/// The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.
public struct InternetChecksum: Sendable {
    /// The sum of the words in this machine's byte order, which differs from that in network order by a swap at the end
    /// (RFC 1071 section 2 B).
    private var sum: UInt64 = 0

    /// The sum of nothing.
    public init() {}

    /// Adds bytes that begin at an even place of the whole; an odd last byte is padded with a zero, so only the last part
    /// may have one.
    public mutating func add(_ bytes: RawSpan) {
        var total = sum
        var offset = 0
        let byteCount = bytes.byteCount
        // SAFETY of the loads: each is bounds-checked by the library, and every bit pattern is a valid integer.
        while byteCount - offset >= 32 {
            for part in 0..<4 {
                let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset &+ 8 &* part, as: UInt64.self)
                total &+= (word & 0xFFFF_FFFF) &+ (word >> 32)
            }
            offset &+= 32
        }
        while byteCount - offset >= 2 {
            total &+= UInt64(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < byteCount {
            total &+= UInt64(UInt16(bytes.bigEndian(at: offset, as: UInt8.self)).littleEndian)
        }
        // Folded to 33 bits: whatever is added next fits.
        sum = (total & 0xFFFF_FFFF) &+ (total >> 32)
    }

    /// Adds one word of 16 bits, or a number that stands for several (RFC 1071 section 2, deferred carries).
    public mutating func add(_ word: UInt64) {
        let swapped = word.bigEndian
        sum &+= (swapped & 0xFFFF_FFFF) &+ (swapped >> 32)
    }

    /// Adds the pseudo-header of version 6 (RFC 8200 section 8.1).
    mutating func addPseudoHeader(
        from source: NetworkAddress, to destination: NetworkAddress, byteCount: Int, next: UInt8
    ) {
        for word in [source.high, source.low, destination.high, destination.low] { add(word) }
        add(UInt64(byteCount))
        add(UInt64(next))
    }

    /// The sum in 16 bits, in network order: what a field holds that the kernel is to complete.
    public var folded: UInt16 {
        var value = (sum & 0xFFFF) &+ ((sum >> 16) & 0xFFFF) &+ ((sum >> 32) & 0xFFFF) &+ (sum >> 48)
        while value >> 16 != 0 { value = (value & 0xFFFF) &+ (value >> 16) }
        return UInt16(value).bigEndian
    }

    /// The checksum to store: the complement of the sum; 0 when the sum ran over data that holds a right checksum.
    public var value: UInt16 { ~folded }
}
