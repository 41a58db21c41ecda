internal import MeshBase

/// When to send stored handshake bytes again: after 0.5, 1, 2 and 4 s, each up to 10 % later, 10 s in all.
struct ResendSchedule: Sendable {
    /// DESIGN section 13.
    static let timeoutMilliseconds: UInt64 = 10_000
    private static let gapsMilliseconds: [UInt64] = [500, 1_000, 2_000, 4_000]

    let bytes: [UInt8]
    private let jitterPercent: UInt64
    private var index = 0
    private(set) var resendAt: Instant?

    init(_ bytes: [UInt8], jitterPercent: UInt64, at now: Instant) {
        self.bytes = bytes
        self.jitterPercent = jitterPercent
        schedule(from: now)
    }

    private mutating func schedule(from now: Instant) {
        guard index < Self.gapsMilliseconds.count else {
            resendAt = nil
            return
        }
        resendAt = now.advanced(milliseconds: Self.gapsMilliseconds[index] * (100 + jitterPercent) / 100)
        index += 1
    }

    /// The bytes again, when their time has come.
    mutating func due(at now: Instant) -> [UInt8]? {
        guard let resendAt, now >= resendAt else { return nil }
        schedule(from: now)
        return bytes
    }
}
