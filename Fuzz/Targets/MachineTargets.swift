/// The machines that face peers and clients.
let machineTargets: [FuzzTarget] = [
    FuzzTarget(
        "node", dictionary: nodeWords, seeds: { NodeStages.seeds }, run: { runNode($0) }),
    FuzzTarget("relay-switch", seeds: { RelayHarness.seeds }, run: { RelayHarness.run($0) }),
    assemblyTarget,
]

/// Heads of steps, and the first bytes of messages.
private let nodeWords: [[UInt8]] =
    (0..<16).map { [$0, 0, 0, 0] } + (0..<5).map { [4, $0, 0, 12] }
    + [[6, 0, 0, 5, 3, 0, 0, 1, 1], [2, 0, 0, 8, 0x42, 0, 0, 0], [2, 0, 0, 24, 0x41, 0, 0, 0], [0, 255, 0, 0]]

/// The kinds of event that the honest course of things meets, so that a test can tell how deep scripts begin.
package func nodeEventsOfSeeds() -> Set<String> {
    NodeStages.all.reduce(into: []) { names, stage in
        var harness = stage.harness
        harness.step(stage.next)
        names.formUnion(harness.eventNames)
    }
}

/// The first byte is the stage, the rest a script.
@Sendable private func runNode(_ bytes: [UInt8]) -> Outcome {
    let stages = NodeStages.all
    guard let first = bytes.first, !stages.isEmpty else { return Outcome() }
    var harness = stages[Int(first) % stages.count].harness
    harness.reset()
    for step in ScriptStep.parse(bytes.dropFirst()) { harness.step(step) }
    return harness.outcome
}
