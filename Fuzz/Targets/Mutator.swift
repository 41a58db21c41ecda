/// Makes new inputs of old ones.
package struct Mutator: Sendable {
    /// More than any message that is parsed, so that limits are crossed; small enough to stay fast.
    package static let inputByteCountMax = 80_000
    /// Numbers at which length arithmetic goes wrong.
    private static let interesting: [UInt64] = [
        0, 1, 2, 3, 4, 15, 16, 31, 32, 33, 63, 64, 125, 126, 127, 128, 255, 256, 257, 511, 512, 513, 1_000, 1_001,
        4_691, 8_191, 8_192, 8_193, 16_384, 16_385, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x1_0000, 0xFF_FFFF, 0x7FFF_FFFF,
        0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 32, 1 << 62, 1 << 63, .max - 1, .max,
    ]
    /// Changes stacked on one input at most.
    private static let stepsMax = 5

    /// What may be put into an input: magic numbers and words of its format.
    private let dictionary: [[UInt8]]

    /// A mutator for a format with these words.
    package init(dictionary: [[UInt8]]) { self.dictionary = dictionary }

    /// `input` with one to five random changes, or mixed with `other`.
    package func mutate(_ input: [UInt8], with other: [UInt8], using random: inout FuzzRandom) -> [UInt8] {
        var bytes = input
        for _ in 0...random.below(Self.stepsMax) { change(&bytes, with: other, using: &random) }
        if bytes.count > Self.inputByteCountMax { bytes.removeLast(bytes.count - Self.inputByteCountMax) }
        return bytes
    }

    private func change(_ bytes: inout [UInt8], with other: [UInt8], using random: inout FuzzRandom) {
        switch random.below(14) {
        case 0, 1: flipBit(&bytes, &random)
        case 2: setByte(&bytes, &random)
        case 3: bytes.removeLast(random.below(bytes.count + 1))
        case 4: bytes += random.bytes(random.below(40))
        case 5: writeInteger(&bytes, &random)
        case 6, 7: nudgeLength(&bytes, &random)
        case 8: removeRange(&bytes, &random)
        case 9: repeatRange(&bytes, &random)
        case 10: splice(&bytes, other, &random)
        case 11: insertPart(of: other, into: &bytes, &random)
        default: insertWord(&bytes, &random)
        }
    }

    private func flipBit(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        guard !bytes.isEmpty else { return }
        bytes[place(in: bytes, &random)] ^= 1 << UInt8(random.below(8))
    }

    private func setByte(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        guard !bytes.isEmpty else { return }
        bytes[place(in: bytes, &random)] = random.byte()
    }

    /// Half of the places are near the beginning, where the fields are.
    private func place(in bytes: [UInt8], _ random: inout FuzzRandom) -> Int {
        random.below(2) == 0 ? random.below(min(bytes.count, 64)) : random.below(bytes.count)
    }

    /// Writes an interesting number of 1, 2, 4 or 8 bytes in network order.
    private func writeInteger(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        let size = 1 << random.below(4)
        guard bytes.count >= size else { return }
        let value = Self.interesting[random.below(Self.interesting.count)]
        let start = min(place(in: bytes, &random), bytes.count - size)
        for index in 0..<size {
            bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - index)))
        }
    }

    /// Makes a 2-byte field one greater or smaller, or the number of bytes behind it, or one off that.
    private func nudgeLength(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        guard bytes.count >= 2 else { return }
        let start = min(place(in: bytes, &random), bytes.count - 2)
        let old = Int(bytes[start]) << 8 | Int(bytes[start + 1])
        let rest = bytes.count - start - 2
        let new = [old + 1, old - 1, rest, rest + 1, rest - 1, 0][random.below(6)]
        bytes[start] = UInt8(truncatingIfNeeded: new >> 8)
        bytes[start + 1] = UInt8(truncatingIfNeeded: new)
    }

    private func range(in bytes: [UInt8], _ random: inout FuzzRandom) -> Range<Int> {
        let start = random.below(bytes.count + 1)
        return start..<start + random.below(min(bytes.count - start, 64) + 1)
    }

    private func removeRange(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        bytes.removeSubrange(range(in: bytes, &random))
    }

    private func repeatRange(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        let range = range(in: bytes, &random)
        let part = [[UInt8]](repeating: Array(bytes[range]), count: 1 + random.below(40)).joined()
        bytes.insert(contentsOf: part, at: range.upperBound)
    }

    private func splice(_ bytes: inout [UInt8], _ other: [UInt8], _ random: inout FuzzRandom) {
        bytes.removeLast(random.below(bytes.count + 1))
        bytes += other.dropFirst(random.below(other.count + 1))
    }

    private func insertPart(of other: [UInt8], into bytes: inout [UInt8], _ random: inout FuzzRandom) {
        bytes.insert(contentsOf: other[range(in: other, &random)], at: random.below(bytes.count + 1))
    }

    private func insertWord(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
        guard !dictionary.isEmpty else { return setByte(&bytes, &random) }
        let word = dictionary[random.below(dictionary.count)]
        let start = random.below(bytes.count + 1)
        let end = random.below(2) == 0 ? start : min(start + word.count, bytes.count)
        bytes.replaceSubrange(start..<end, with: word)
    }
}
