import MeshBase
import Testing

@Suite struct SeedExpanderTests {
    /// SplitMix64 from state 1234567, as its reference implementation gives.
    @Test func itIsSplitMix64() {
        var expander = SeedExpander(seed: 1_234_567)
        #expect(expander.next() == 6_457_827_717_110_365_317)
        #expect(expander.next() == 3_203_168_211_198_807_973)
    }
}
