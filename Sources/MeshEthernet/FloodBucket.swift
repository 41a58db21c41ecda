import MeshBase

/// How fast one peer may be sent copies that it did not ask for: broadcast, multicast and unknown unicast.
public struct FloodLimit: Equatable, Sendable {
    /// Copies a second, 1 to 1,000,000,000.
    public var framesPerSecond: UInt32
    /// Copies that may go at once after a pause; at least 1.
    public var burstFrames: UInt32

    /// 1,000 frames a second is 12 Mbit/s of full frames: more than the chatter of a LAN with hundreds of hosts (under 100
    /// a second) and one multicast television stream (760 a second), and little enough that a storm leaves a link usable.
    /// A burst of 1,024 lets a scan of all addresses of a /22 network through unharmed.
    public static let standard = FloodLimit(framesPerSecond: 1_000, burstFrames: 1_024)

    /// Makes a limit; values outside the ranges are moved to their ends.
    public init(framesPerSecond: UInt32, burstFrames: UInt32) {
        self.framesPerSecond = min(max(framesPerSecond, 1), 1_000_000_000)
        self.burstFrames = max(burstFrames, 1)
    }
}

/// A token bucket; credit is kept in nanoseconds, so that refilling needs no division.
struct FloodBucket: Sendable {
    /// What one copy costs.
    private let costNanoseconds: UInt64
    private let burstFrames: UInt64
    private var creditNanoseconds: UInt64
    private var filledAt = Instant.zero

    /// A full bucket.
    init(limit: FloodLimit) {
        costNanoseconds = 1_000_000_000 / UInt64(limit.framesPerSecond)
        burstFrames = UInt64(limit.burstFrames)
        creditNanoseconds = costNanoseconds * burstFrames
    }

    /// Takes the price of `frameCount` copies, at most a whole burst; `false` and nothing taken when too little is left.
    mutating func take(_ frameCount: UInt64, at now: Instant) -> Bool {
        let creditMax = costNanoseconds * burstFrames
        let refill = min(now.nanoseconds(since: filledAt), creditMax)
        creditNanoseconds = min(creditNanoseconds + refill, creditMax)
        filledAt = max(filledAt, now)
        let price = costNanoseconds * min(frameCount, burstFrames)
        guard creditNanoseconds >= price else { return false }
        creditNanoseconds -= price
        return true
    }
}
