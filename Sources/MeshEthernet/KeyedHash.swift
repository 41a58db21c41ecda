package import MeshBase

/// SipHash under a secret key (Aumasson and Bernstein, 2012), for words of 64 bits.
///
/// Peers choose the addresses in the table, so that a hash without a key would let them pile all of theirs on one slot.
package struct KeyedHash: Sendable {
    private let key0: UInt64
    private let key1: UInt64

    /// Makes a hash under the given 128-bit key.
    package init(key0: UInt64, key1: UInt64) {
        self.key0 = key0
        self.key1 = key1
    }

    /// Draws the key from `expander`.
    package init(from expander: inout SeedExpander) {
        self.init(key0: expander.next(), key1: expander.next())
    }

    /// SipHash-1-3 of one little-endian word: for table slots, where no output is ever seen.
    @inline(always)
    package func slot(_ word: UInt64) -> UInt64 {
        var state = State(key0: key0, key1: key1)
        state.absorb(word, rounds: 1)
        return state.finish(byteCount: 8, rounds: 1, finalRounds: 3)
    }

    /// SipHash-2-4 of two little-endian words: a code of 64 bits that only the holder of the key can make.
    package func authenticator(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var state = State(key0: key0, key1: key1)
        state.absorb(first, rounds: 2)
        state.absorb(second, rounds: 2)
        return state.finish(byteCount: 16, rounds: 2, finalRounds: 4)
    }
}

extension KeyedHash {
    private struct State {
        private var v0: UInt64
        private var v1: UInt64
        private var v2: UInt64
        private var v3: UInt64

        @inline(always)
        init(key0: UInt64, key1: UInt64) {
            v0 = key0 ^ 0x736f_6d65_7073_6575
            v1 = key1 ^ 0x646f_7261_6e64_6f6d
            v2 = key0 ^ 0x6c79_6765_6e65_7261
            v3 = key1 ^ 0x7465_6462_7974_6573
        }

        @inline(always)
        mutating func absorb(_ word: UInt64, rounds: Int) {
            v3 ^= word
            for _ in 0..<rounds { round() }
            v0 ^= word
        }

        @inline(always)
        mutating func finish(byteCount: UInt64, rounds: Int, finalRounds: Int) -> UInt64 {
            absorb(byteCount << 56, rounds: rounds)
            v2 ^= 0xFF
            for _ in 0..<finalRounds { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        @inline(always)
        private mutating func round() {
            v0 &+= v1
            v1 = Self.rotated(v1, by: 13) ^ v0
            v0 = Self.rotated(v0, by: 32)
            v2 &+= v3
            v3 = Self.rotated(v3, by: 16) ^ v2
            v0 &+= v3
            v3 = Self.rotated(v3, by: 21) ^ v0
            v2 &+= v1
            v1 = Self.rotated(v1, by: 17) ^ v2
            v2 = Self.rotated(v2, by: 32)
        }

        @inline(always)
        private static func rotated(_ word: UInt64, by bits: UInt64) -> UInt64 {
            (word &<< bits) | (word &>> (64 &- bits))
        }
    }
}
