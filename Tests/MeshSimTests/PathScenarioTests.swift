import Foundation
import MeshBase
import MeshSim
import MeshTestSupport
import Testing

/// Drawn meshes on drawn networks, and what must be true of all of them.
@Suite struct PathScenarioTests {
    private static let seeds = SeedRange(defaultCount: 500)

    @Test func everyPathIsSafeAndInvisibleAndTheBestOneIsFoundAgain() async throws {
        let failed = await Self.seeds.faults(of: "paths") { seed in
            let scenario = PathScenario(drawnFrom: seed)
            do {
                return try scenario.play(identities: MeshSimTests.identities).map { outcome in
                    let story = outcome.story.suffix(40).joined(separator: "\n    ")
                    return "\(outcome.violation)\n    \(scenario)\n    \(story)"
                }
            } catch { return "\(error)\n    \(scenario)" }
        }
        for (seed, fault) in failed {
            Issue.record("seed \(seed): \(fault)\n    replay with make simulate SEEDS=1 FIRST=\(seed)")
        }
    }
}
