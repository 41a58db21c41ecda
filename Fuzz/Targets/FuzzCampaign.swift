/// Runs one target with mutated inputs, all of them decided by a seed.
package struct FuzzCampaign: Sendable {
    /// Inputs with new outcomes that are kept for further mutation.
    private static let keptMax = 2_000

    private let target: FuzzTarget
    private let mutator: Mutator
    private var random: FuzzRandom
    private var pool: [[UInt8]]
    private let seedCount: Int
    private var outcomes: Set<Outcome> = []
    /// Inputs run so far.
    package private(set) var executionCount: UInt64 = 0

    /// A campaign that starts from `corpus`, or from the target's own seeds when that is empty.
    package init(_ target: FuzzTarget, corpus: [[UInt8]], seed: UInt64) throws {
        self.target = target
        mutator = Mutator(dictionary: target.dictionary)
        random = FuzzRandom(seed: seed)
        pool = try corpus.isEmpty ? target.seeds() : corpus
        if pool.isEmpty { pool = [[]] }
        seedCount = pool.count
    }

    /// Different outcomes met so far.
    package var outcomeCount: Int { outcomes.count }

    /// The next input: first those of the corpus as they are, then mutated ones.
    package mutating func nextInput() -> [UInt8] {
        if executionCount < UInt64(seedCount) { return pool[Int(executionCount)] }
        let input = pool[random.below(pool.count)]
        return mutator.mutate(input, with: pool[random.below(pool.count)], using: &random)
    }

    /// Runs the target with `input`.
    package mutating func run(_ input: [UInt8]) {
        executionCount += 1
        guard outcomes.insert(target.run(input)).inserted, executionCount > UInt64(seedCount) else { return }
        if pool.count < seedCount + Self.keptMax {
            pool.append(input)
        } else {
            pool[seedCount + random.below(Self.keptMax)] = input
        }
    }
}
