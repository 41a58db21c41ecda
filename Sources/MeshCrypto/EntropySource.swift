internal import Crypto
internal import MeshBase

/// Where a protocol machine takes its random bytes from: the operating system, or a seed that replays.
public struct EntropySource: Sendable {
    private enum Source: Sendable {
        case system(SystemRandomNumberGenerator)
        case seeded(SeedExpander)
    }
    private var source: Source

    private init(_ source: Source) { self.source = source }

    /// Random bytes of the operating system.
    public static var system: EntropySource { EntropySource(.system(SystemRandomNumberGenerator())) }

    /// A reproducible sequence (SplitMix64), for simulation and test vectors only.
    public static func seeded(_ seed: UInt64) -> EntropySource { EntropySource(.seeded(SeedExpander(seed: seed))) }

    /// The next random number of 64 bits.
    public mutating func next() -> UInt64 {
        switch source {
        case .system(var generator): return generator.next()
        case .seeded(var expander):
            let word = expander.next()
            source = .seeded(expander)
            return word
        }
    }

    /// `count` random bytes.
    public mutating func bytes(count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count + 7)
        while result.count < count {
            var word = next()
            for _ in 0..<8 {
                result.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        result.removeLast(result.count - count)
        return result
    }

    /// A random number below `bound`, which is not 0.
    public mutating func number(below bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}
