internal import MeshBase
internal import MeshProtocol
internal import MeshWire

/// The joining of slices: each step's bytes are a slice's content, its operation and argument the milliseconds before it.
let assemblyTarget = FuzzTarget(
    "frame-assembly", dictionary: [[0, 0, 0, 17], [0, 0, 0, 1, 0, 0, 0, 16], [0xFF, 0xFF], [7, 208, 0, 17]],
    seeds: { assemblySeeds }, run: runAssembly)

private let assemblySeeds: [[UInt8]] = [
    WireSamples.slices.flatMap { ScriptStep(operation: 0, argument: 1, bytes: $0).encoded },
    WireSamples.slices.reversed().flatMap { ScriptStep(operation: 0, argument: 1, bytes: $0).encoded },
    WireSamples.slices.flatMap { ScriptStep(operation: 8, argument: 0, bytes: $0).encoded },
]

@Sendable private func runAssembly(_ bytes: [UInt8]) -> Outcome {
    var outcome = Outcome()
    var assembly = FrameAssembly()
    var now = Instant(nanoseconds: 1_000_000_000)
    for step in ScriptStep.parse(bytes[...]) {
        now = now.advanced(milliseconds: UInt64(step.operation) << 8 | UInt64(step.argument))
        let content = step.bytes
        do throws(WireError) {
            if let frame = try assembly.add(content.span.rawBytes, at: now) {
                precondition(frame.count > 1 && frame.count <= FrameSlice.frameByteCountMax)
                outcome.note("joined")
            } else {
                outcome.note("kept")
            }
        } catch { outcome.note("\(error)") }
        precondition(assembly.partialCount <= FrameAssembly.framesMax)
        precondition(assembly.byteCount <= FrameAssembly.byteCountMax)
    }
    assembly.expire(at: now.advanced(milliseconds: FrameAssembly.ageMillisecondsMax))
    precondition(assembly.partialCount == 0 && assembly.byteCount == 0)
    outcome.note(Int(assembly.droppedCount))
    return outcome
}
