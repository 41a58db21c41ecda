internal import CAllocationCounter

/// What one benchmark gave.
struct Measurement: Codable {
    var name: String
    /// Calls of malloc and its like in 1,000 operations; the worst round.
    var allocationsPerThousand: Double
    /// Instructions of one operation; `nil` where they cannot be counted.
    var instructionsPerOperation: Double?
    /// The median round; says something about this machine only.
    var nanosecondsPerOperation: Double

    /// Operations that are stepped through for their instructions: those of one superframe, since a step takes some 10 us.
    private static let steppedCount = 44

    /// Has `round` do `operationCount` operations a few times after a warm-up; `prepare` is not measured. Both are told
    /// how many.
    static func take(
        _ name: String, operationCount: Int, prepare: (Int) -> Void = { _ in }, _ round: (Int) -> Void
    ) -> Measurement {
        var allocations: UInt64 = 0
        var times: [UInt64] = []
        for number in 0..<8 {
            prepare(operationCount)
            let allocationsBefore = mesh_allocation_count()
            let start = mesh_monotonic_nanoseconds()
            round(operationCount)
            let time = mesh_monotonic_nanoseconds() - start
            let count = mesh_allocation_count() - allocationsBefore
            guard number > 0 else { continue }
            allocations = max(allocations, count)
            times.append(time)
        }
        times.sort()
        prepare(steppedCount)
        let instructions = withoutActuallyEscaping(round) { round in instructionCount { round(steppedCount) } }
        return Measurement(
            name: name, allocationsPerThousand: Double(allocations) * 1_000 / Double(operationCount),
            instructionsPerOperation: instructions.map { Double($0) / Double(steppedCount) },
            nanosecondsPerOperation: Double(times[times.count / 2]) / Double(operationCount))
    }

    /// Instructions that `body` takes in a copy of this process.
    private static func instructionCount(_ body: @escaping () -> Void) -> UInt64? {
        final class Box {
            let body: () -> Void
            init(_ body: @escaping () -> Void) { self.body = body }
        }
        let box = Box(body)
        let count = withExtendedLifetime(box) {
            // SAFETY: the box lives until the call is over.
            unsafe mesh_instruction_count(
                { context in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<Box>.fromOpaque(context).takeUnretainedValue().body()
                }, Unmanaged.passUnretained(box).toOpaque())
        }
        return count > 0 ? count : nil
    }
}
