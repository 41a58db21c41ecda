import MeshSim
import Testing

extension Simulation {
    /// Runs with frames both ways between the first two nodes every `pauseMilliseconds`, one of each of these sizes,
    /// until `condition` holds. Returns whether it came to hold.
    mutating func runWithTraffic(
        milliseconds: UInt64, every pauseMilliseconds: UInt64 = 1, byteCounts: [Int] = [Simulation.frameByteCount],
        until condition: (Simulation) -> Bool = { _ in false }
    ) -> Bool {
        for _ in 0..<milliseconds / pauseMilliseconds {
            if condition(self) { return true }
            for (from, to) in [(0, 1), (1, 0)] {
                for byteCount in byteCounts { _ = sendFrame(from: from, to: to, byteCount: byteCount) }
            }
            run(milliseconds: pauseMilliseconds)
        }
        return condition(self)
    }

    /// Has node 0 leave the relay for the direct path and come back, fifty migrations in all, under `traffic`.
    mutating func migrateFiftyTimes(
        under traffic: (inout Simulation, UInt64, (Simulation) -> Bool) -> Bool
    ) throws {
        let hasMeshed = run(until: \.isMeshed, withinMilliseconds: 3_000, stepMilliseconds: 10)
        try #require(hasMeshed)
        for migration in 0..<50 {
            setDirectAllowed(migration % 2 == 0, 0, 1)
            let hasMoved = traffic(&self, 4_000) { migration % 2 == 0 ? $0.isDirect(0, 1) : $0.isRelayed(0, 1) }
            #expect(hasMoved, "migration \(migration)")
            // Now and then long enough for the pair's channel to be closed.
            _ = traffic(&self, migration % 5 == 0 ? 1_800 : 100) { _ in false }
        }
        run(milliseconds: 1_000)
    }
}
