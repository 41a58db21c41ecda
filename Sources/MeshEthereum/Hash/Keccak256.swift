/// Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with the padding of the original submission, whose first byte
/// is 0x01 where SHA3-256 has 0x06.
public enum Keccak256 {
    /// Bytes taken in before each permutation: 1,600 bits less twice 256.
    private static let rateByteCount = 136

    /// The hash of the parts in order.
    public static func hash(_ parts: [UInt8]...) -> Word256 {
        // One part is the rule: it need not be copied.
        Word256(sponge(parts.count == 1 ? parts[0] : parts.flatMap { $0 }, paddingByte: 0x01))
    }

    /// SHA3-256 of `bytes` as four lanes: with the standard's padding, so that the permutation can be tested against
    /// another implementation.
    package static func sha3(_ bytes: [UInt8]) -> [UInt8] { Word256(sponge(bytes, paddingByte: 0x06)).bytes }

    private static func sponge(_ bytes: [UInt8], paddingByte: UInt8) -> (UInt64, UInt64, UInt64, UInt64) {
        var state = [25 of UInt64](repeating: 0)
        var offset = 0
        let span = bytes.span
        while span.count - offset >= rateByteCount {
            for lane in 0..<rateByteCount / 8 { state[lane] ^= littleEndian(span, at: offset + lane * 8) }
            permute(&state)
            offset += rateByteCount
        }
        // The rest is shorter than a block, so the padding has room for at least one byte.
        for index in 0..<span.count - offset { absorb(span[offset + index], at: index, into: &state) }
        absorb(paddingByte, at: span.count - offset, into: &state)
        absorb(0x80, at: rateByteCount - 1, into: &state)
        permute(&state)
        return (state[0].byteSwapped, state[1].byteSwapped, state[2].byteSwapped, state[3].byteSwapped)
    }

    private static func absorb(_ byte: UInt8, at index: Int, into state: inout [25 of UInt64]) {
        state[index / 8] ^= UInt64(byte) << UInt64(index % 8 * 8)
    }

    private static func littleEndian(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
        var lane: UInt64 = 0
        for index in 0..<8 { lane |= UInt64(bytes[offset + index]) << UInt64(index * 8) }
        return lane
    }

    /// Keccak-f[1600] (FIPS 202 section 3.3).
    private static func permute(_ state: inout [25 of UInt64]) {
        for round in 0..<24 {
            var parity = [5 of UInt64](repeating: 0)
            for x in 0..<5 { parity[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] }
            for x in 0..<5 {
                let mixed = parity[(x + 4) % 5] ^ rotated(parity[(x + 1) % 5], by: 1)
                for y in 0..<5 { state[x + 5 * y] ^= mixed }
            }
            var moving = state[1]
            for step in 0..<24 {
                let target = Int(laneOrder[step])
                let next = state[target]
                state[target] = rotated(moving, by: UInt64(laneRotation[step]))
                moving = next
            }
            for y in 0..<5 {
                let row = y * 5
                let first = state[row]
                let second = state[row + 1]
                state[row] ^= ~state[row + 1] & state[row + 2]
                state[row + 1] ^= ~state[row + 2] & state[row + 3]
                state[row + 2] ^= ~state[row + 3] & state[row + 4]
                state[row + 3] ^= ~state[row + 4] & first
                state[row + 4] ^= ~first & second
            }
            state[0] ^= roundConstants[round]
        }
    }

    private static func rotated(_ lane: UInt64, by count: UInt64) -> UInt64 { lane << count | lane >> (64 - count) }

    /// Where each lane goes (FIPS 202 section 3.2.3), as one cycle that begins at lane 1.
    private static let laneOrder: [24 of UInt8] = [
        10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1,
    ]
    /// By how much it is rotated on the way (FIPS 202 section 3.2.2).
    private static let laneRotation: [24 of UInt8] = [
        1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44,
    ]
    /// FIPS 202 section 3.2.5.
    private static let roundConstants: [24 of UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A, 0x8000_0000_8000_8000,
        0x0000_0000_0000_808B, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
        0x0000_0000_0000_008A, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000A,
        0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
        0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800A, 0x8000_0000_8000_000A,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]
}
