internal import MeshBase

/// When the memory of what set up sessions and connections, or told people of them, is given back: once that is over, and not
/// again and again.
struct SetUpMemory {
    /// What follows the last step at once, as the first records and path probes, is over by then.
    private static let quietMilliseconds: UInt64 = 1_000
    /// Code that is used again has to be mapped again: 12 MB by 64 KiB, some 200 page faults.
    private static let intervalMilliseconds: UInt64 = 10_000

    private var usedAt: Instant?
    private var forgottenAt: Instant?

    /// Notes that a handshake was worked on, a connection set up or a question of the control socket answered, with a text
    /// that tells of all peers.
    mutating func used(at now: Instant) { usedAt = now }

    /// Whether it is time; then it is not again before there was more.
    mutating func takeIsDue(at now: Instant) -> Bool {
        guard let usedAt, now.milliseconds(since: usedAt) >= Self.quietMilliseconds else { return false }
        if let forgottenAt, now.milliseconds(since: forgottenAt) < Self.intervalMilliseconds { return false }
        self.usedAt = nil
        forgottenAt = now
        return true
    }
}
