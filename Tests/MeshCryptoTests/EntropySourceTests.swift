import MeshCrypto
import Testing

@Suite struct EntropySourceTests {
    @Test func aSeedGivesTheSameSequenceEachTime() {
        var one = EntropySource.seeded(42)
        var two = EntropySource.seeded(42)
        var other = EntropySource.seeded(43)
        let first = one.bytes(count: 100)
        #expect(two.bytes(count: 100) == first)
        #expect(other.bytes(count: 100) != first)
        #expect(one.next() == two.next())
        // SplitMix64 of seed 0, as published with the generator.
        var zero = EntropySource.seeded(0)
        #expect(zero.next() == 0xE220_A839_7B1D_CDAF)
        #expect(zero.next() == 0x6E78_9E6A_A1B9_65F4)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 16, 1_000]) func asManyBytesAreDrawnAsAskedFor(count: Int) {
        var seeded = EntropySource.seeded(1)
        var system = EntropySource.system
        #expect(seeded.bytes(count: count).count == count)
        #expect(system.bytes(count: count).count == count)
    }

    @Test func theSystemDoesNotRepeatItself() {
        var one = EntropySource.system
        var two = EntropySource.system
        let first = one.bytes(count: 32)
        #expect(first != one.bytes(count: 32))
        #expect(first != two.bytes(count: 32))
    }

    @Test func aNumberIsBelowItsBoundAndEachOneComes() {
        var entropy = EntropySource.seeded(7)
        var seen: Set<UInt64> = []
        for _ in 0..<1_000 { seen.insert(entropy.number(below: 6)) }
        #expect(seen == Set(0..<6))
        for _ in 0..<10 { #expect(entropy.number(below: 1) == 0) }
    }
}
