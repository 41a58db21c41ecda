internal import FoundationEssentials

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same numbers for the same seed.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Makes a generator whose numbers follow from `seed`.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// A number below `bound`, which is at least 1.
    public mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }

    /// The next `count` bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}

/// The seed of a random test: `MESH_SEED` of the environment, or a new one, which is printed.
public func testSeed() -> UInt64 {
    if let text = ProcessInfo.processInfo.environment["MESH_SEED"], let seed = UInt64(text) { return seed }
    let seed = UInt64.random(in: .min ... .max)
    print("MESH_SEED=\(seed)")
    return seed
}
