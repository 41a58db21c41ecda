/// The CRC-32 of ITU V.42 section 8.1.1.6.2, as the STUN fingerprint uses it (RFC 8489 section 14.7).
struct CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { remainder, _ in
            remainder & 1 == 0 ? remainder >> 1 : remainder >> 1 ^ 0xEDB8_8320
        }
    }

    private var state: UInt32 = 0xFFFF_FFFF

    mutating func add(_ byte: UInt8) {
        state = state >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: state) ^ byte)]
    }

    var value: UInt32 { ~state }
}
