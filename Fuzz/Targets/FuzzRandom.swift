internal import MeshBase

/// The same numbers for the same seed.
package struct FuzzRandom: RandomNumberGenerator, Sendable {
    private var expander: SeedExpander

    /// Starts the sequence of `seed`.
    package init(seed: UInt64) { expander = SeedExpander(seed: seed) }

    package mutating func next() -> UInt64 { expander.next() }

    /// A number below `bound`; 0 when `bound` is not positive.
    mutating func below(_ bound: Int) -> Int {
        bound > 0 ? Int(next().multipliedFullWidth(by: UInt64(bound)).high) : 0
    }

    /// A random byte.
    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }

    /// `count` random bytes.
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }
}
