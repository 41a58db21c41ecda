import MeshBase

/// The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.
struct InternetChecksum {
    private var sum: UInt64 = 0

    /// Adds one word of 16 bits, or a number that stands for several (RFC 1071 section 2, deferred carries).
    mutating func add(_ word: UInt64) {
        sum += (word >> 48) + (word >> 32 & 0xFFFF) + (word >> 16 & 0xFFFF) + (word & 0xFFFF)
    }

    /// Adds all of `bytes`; a last odd byte is padded with zero. At most 65,535 bytes, so that the sum cannot overflow.
    mutating func add(_ bytes: RawSpan) {
        var offset = 0
        while offset + 2 <= bytes.byteCount {
            sum += UInt64(bytes.bigEndian(at: offset, as: UInt16.self))
            offset += 2
        }
        if offset < bytes.byteCount { sum += UInt64(bytes.bigEndian(at: offset, as: UInt8.self)) << 8 }
    }

    /// Adds the pseudo-header of version 6 (RFC 8200 section 8.1).
    mutating func addPseudoHeader(
        from source: NetworkAddress, to destination: NetworkAddress, byteCount: Int, next: UInt8
    ) {
        for word in [source.high, source.low, destination.high, destination.low] { add(word) }
        add(UInt64(byteCount))
        add(UInt64(next))
    }

    /// The checksum to store; 0 when the sum ran over data that holds a right checksum.
    var value: UInt16 {
        var folded = sum
        while folded > 0xFFFF { folded = (folded >> 16) + (folded & 0xFFFF) }
        return ~UInt16(folded)
    }
}
