/// A parser or a machine that takes bytes from others, as a fuzzer drives it.
package struct FuzzTarget: Sendable {
    /// Its name on the command line, and that of its corpus directory.
    package let name: String
    /// Valid inputs to start from.
    package let seeds: @Sendable () throws -> [[UInt8]]
    /// Words of its format.
    package let dictionary: [[UInt8]]
    /// Takes any bytes; traps only when the code under test is wrong.
    ///
    /// What comes back tells outcomes apart: an input with a new one is worth mutating further.
    package let run: @Sendable ([UInt8]) -> Outcome

    init(
        _ name: String, dictionary: [[UInt8]] = [], seeds: @escaping @Sendable () throws -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) -> Outcome
    ) {
        self.name = name
        self.seeds = seeds
        self.dictionary = dictionary
        self.run = run
    }

    /// A parser that gives bytes back: what it takes must come out as it went in.
    init(
        _ name: String, dictionary: [[UInt8]] = [], seeds: @escaping @Sendable () throws -> [[UInt8]],
        rewrite: @escaping @Sendable ([UInt8]) throws -> [UInt8]
    ) {
        self.init(name, dictionary: dictionary, seeds: seeds) { bytes in
            var outcome = Outcome()
            do {
                let again = try rewrite(bytes)
                precondition(again == bytes, "\(name): what was parsed is written as it was")
                outcome.note("parsed")
            } catch { outcome.note(error: error) }
            return outcome
        }
    }

    /// All targets, by name.
    package static let all: [FuzzTarget] = (wireTargets + machineTargets + otherTargets + ethereumTargets).sorted {
        $0.name < $1.name
    }

    /// The target of that name.
    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// What came of an input, as one number: FNV-1a over the words that were noted.
package struct Outcome: Hashable, Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Adds a word.
    mutating func note(_ word: String) {
        for byte in word.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        value = (value ^ 0xFF) &* 0x100_0000_01B3
    }

    /// Adds a number, by its magnitude only: 3 and 4 are told apart, 100 and 101 are not.
    mutating func note(_ number: Int) { note(String(number.bitWidth - number.leadingZeroBitCount)) }

    /// Adds an error by its kind, without the numbers in it.
    mutating func note(error: any Error) { note(String("\(error)".prefix { !$0.isNumber }.prefix(40))) }
}
