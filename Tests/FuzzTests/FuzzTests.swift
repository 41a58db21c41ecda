import Foundation
import MeshFuzz
import MeshTestSupport
import Testing

@Suite(.serialized) struct FuzzTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Fuzz/Corpus").standardizedFileURL.path

    private static let seed = testSeed()

    @Test(arguments: FuzzTarget.all.map(\.name)) func theCommittedCorpusIsSurvived(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try FuzzCorpus.inputs(at: "\(Self.corpus)/\(name)")
        #expect(!inputs.isEmpty, "every target has a corpus: shadowmesh-fuzz seed-corpus")
        for input in inputs { _ = target.run(input.bytes) }
    }

    /// Some thousand inputs, or half a second: all targets together take less than 20 s.
    @Test(arguments: FuzzTarget.all.map(\.name)) func mutatedInputsAreSurvived(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let corpus = try FuzzCorpus.inputs(at: "\(Self.corpus)/\(name)").map(\.bytes) + target.seeds()
        var campaign = try FuzzCampaign(target, corpus: corpus, seed: Self.seed)
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(500)
        // The count decides on a fast machine, the clock on a slow one; each input depends on the seed alone.
        while campaign.executionCount < 3_000, clock.now < end { campaign.run(campaign.nextInput()) }
        #expect(campaign.executionCount > 20, "seed \(Self.seed)")
        #expect(campaign.outcomeCount > 0)
    }

    @Test func everySeedIsTakenByItsParser() throws {
        // A parser that refuses all of its seeds would be fuzzed at its first check only.
        // A WebSocket message without an item is a valid one, so for carriers the empty input tells nothing.
        let targets = FuzzTarget.all.filter { $0.name.hasPrefix("wire-") && !$0.name.hasPrefix("wire-carrier-") }
        for target in targets {
            let outcomes = Set(try target.seeds().map(target.run))
            let empty = target.run([])
            #expect(!outcomes.contains(empty), "\(target.name)")
        }
    }

    @Test func nodesAreFuzzedInEveryStateOfASession() {
        let expected: Set = [
            "relay", "carrierOpened", "handshake", "established", "confirmed", "pong", "rotated", "sessionEnded",
        ]
        #expect(nodeEventsOfSeeds().isSuperset(of: expected))
    }

    @Test func aSeedDecidesAllInputs() throws {
        let target = try #require(FuzzTarget.named("wire-hello"))
        var one = try FuzzCampaign(target, corpus: [], seed: 7)
        var two = try FuzzCampaign(target, corpus: [], seed: 7)
        for _ in 0..<200 {
            let input = one.nextInput()
            #expect(two.nextInput() == input)
            one.run(input)
            two.run(input)
        }
    }
}
