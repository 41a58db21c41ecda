import MeshBase
import MeshRelayServer
import Testing

@Suite struct StatementScheduleTests {
    private let boot = Instant(nanoseconds: 5_000_000_000)
    private let wall: UInt64 = 1_800_000_000

    /// Whether a new statement is due `seconds` later, when the wall clock was set by `set` seconds in between.
    private func isDue(after seconds: UInt64, set: Int64 = 0) -> Bool {
        StatementSchedule(signedAt: boot, wallClockSeconds: wall).isDue(
            at: boot.advanced(milliseconds: seconds * 1000),
            wallClockSeconds: UInt64(Int64(wall) + Int64(seconds) + set))
    }

    @Test func aStatementIsSignedAnewEveryHour() {
        #expect(!isDue(after: 0) && !isDue(after: 3_599))
        #expect(isDue(after: 3_600))
    }

    @Test(arguments: [-40, 40] as [Int64])
    func aClockThatIsSetByDaysMakesOneDueAtOnce(days: Int64) {
        #expect(isDue(after: 1, set: days * 86_400))
    }

    @Test(arguments: [-3_600, -1, 1, 3_600] as [Int64])
    func aClockThatIsSetByLittleDoesNot(seconds: Int64) {
        #expect(!isDue(after: 10, set: seconds))
    }

    @Test func aClockAtItsBeginningOrItsEndIsNoTrap() {
        let early = StatementSchedule(signedAt: boot, wallClockSeconds: 0)
        #expect(early.isDue(at: boot, wallClockSeconds: wall))
        #expect(!early.isDue(at: .zero, wallClockSeconds: 0))
        #expect(StatementSchedule(signedAt: boot, wallClockSeconds: wall).isDue(at: boot, wallClockSeconds: .max))
    }
}
