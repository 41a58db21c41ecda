import MeshBase
import MeshSim
import MeshTestSupport
import Testing

/// Drawn translators, and who has to get through them.
@Suite struct TopologyTests {
    private static let seeds = SeedRange(defaultCount: 300, share: 10)

    @Test func hardPairsAreDrawnOftenEnough() {
        // Without IPv6 and with UDP on both sides: nothing but what is meant for them gets through.
        func count(_ isWanted: (Translator.Kind, Translator.Kind) -> Bool) -> Int {
            (UInt64(1)...300).count { seed in
                let places = TopologyScenario(drawnFrom: seed).places
                guard let one = places[0].kind, let other = places[1].kind, !places.contains(where: \.isBlocked) else {
                    return false
                }
                return !(places[0].hasVersion6 && places[1].hasVersion6)
                    && (isWanted(one, other) || isWanted(other, one))
            }
        }
        func isDependent(_ kind: Translator.Kind, _ ports: Translator.Ports) -> Bool {
            kind.mapping == .byAddressAndPort && kind.ports == ports
        }
        func isPortRestricted(_ kind: Translator.Kind) -> Bool {
            kind.mapping == .independent && kind.filtering == .byAddressAndPort
        }
        #expect(count { isDependent($0, .random) && isPortRestricted($1) } > 10)
        #expect(count { isDependent($0, .sequential) && isPortRestricted($1) } > 10)
        #expect(count { isDependent($0, .sequential) && isDependent($1, .sequential) } > 5)
        #expect(count { isDependent($0, .random) && isDependent($1, .random) } > 5)
    }

    @Test func everyPairThatCanIsDirectAndAllOthersAreRelayed() async {
        let failed = await Self.seeds.faults(of: "topologies") { seed in
            let scenario = TopologyScenario(drawnFrom: seed)
            do {
                return try scenario.play(identities: MeshSimTests.identities).map { "\($0)\n    \(scenario)" }
            } catch { return "\(error)\n    \(scenario)" }
        }
        for (seed, fault) in failed {
            Issue.record("seed \(seed): \(fault)\n    replay with make simulate SEEDS=1 FIRST=\(seed)")
        }
    }
}
