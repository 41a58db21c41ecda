internal import FoundationEssentials
internal import MeshBase

/// The same numbers for the same seed.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var expander: SeedExpander

    /// Makes a generator whose numbers follow from `seed`.
    public init(seed: UInt64) { expander = SeedExpander(seed: seed) }

    /// The next 64 bits.
    public mutating func next() -> UInt64 { expander.next() }

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
