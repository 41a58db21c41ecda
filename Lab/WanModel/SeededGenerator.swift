internal import MeshBase

/// Random numbers that a seed replays.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var expander: SeedExpander

    /// Makes a generator whose numbers follow from `seed`.
    public init(seed: UInt64) { expander = SeedExpander(seed: seed) }

    /// The next 64 bits.
    public mutating func next() -> UInt64 { expander.next() }

    /// A number in 0..<`bound`, `bound` being at least 1.
    mutating func below(_ bound: UInt64) -> UInt64 { next(upperBound: bound) }
}
