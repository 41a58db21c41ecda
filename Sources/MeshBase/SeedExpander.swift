/// Turns one seed into as many words as needed (SplitMix64; Steele, Lea and Flood, 2014).
public struct SeedExpander: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts at `seed`, which must come from the system's random source where secrecy matters.
    public init(seed: UInt64) { state = seed }

    /// The next word.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
