internal import CAllocationCounter

/// What one benchmark gave.
struct Measurement: Codable {
    var name: String
    /// Calls of malloc and its like in 1,000 operations; the worst round.
    var allocationsPerThousand: Double
    /// The median round; says something about this machine only.
    var nanosecondsPerOperation: Double

    /// Runs `round`, which does `operationCount` operations, a few times after a warm-up; `prepare` is not measured.
    static func take(
        _ name: String, operationCount: Int, prepare: () -> Void = {}, _ round: () -> Void
    ) -> Measurement {
        var allocations: UInt64 = 0
        var times: [UInt64] = []
        for number in 0..<8 {
            prepare()
            let allocationsBefore = mesh_allocation_count()
            let start = mesh_monotonic_nanoseconds()
            round()
            let time = mesh_monotonic_nanoseconds() - start
            let count = mesh_allocation_count() - allocationsBefore
            guard number > 0 else { continue }
            allocations = max(allocations, count)
            times.append(time)
        }
        times.sort()
        return Measurement(
            name: name, allocationsPerThousand: Double(allocations) * 1_000 / Double(operationCount),
            nanosecondsPerOperation: Double(times[times.count / 2]) / Double(operationCount))
    }
}
