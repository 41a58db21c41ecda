internal import MeshBase

/// One direction of a site's line to the wide-area network: up, away from the site, or down, towards it.
public struct Leg: Sendable {
    /// What the line does to packets.
    public struct Settings: Hashable, Sendable {
        /// One-way delay in nanoseconds.
        public var delayNanoseconds: UInt64 = 0
        /// Each packet's delay differs by at most this, evenly; packets may then overtake each other.
        public var jitterNanoseconds: UInt64 = 0
        /// Packets lost of a million, each by its own throw.
        public var lossPartsPerMillion: UInt64 = 0
        /// Packets of a million that arrive twice, each by its own throw; the second with a jitter of its own.
        public var duplicatePartsPerMillion: UInt64 = 0
        /// Bits per second, IP header and up; 0: no limit.
        public var bitsPerSecond: UInt64 = 0
        /// Bytes that wait for the line at most; a packet more is dropped. 1 MiB: 80 ms at 100 Mbit/s.
        public var queueByteCountMax: UInt64 = 1 << 20

        /// A line that does nothing to packets.
        public init() {}
    }

    /// What went through the line.
    public struct Counters: Hashable, Sendable {
        /// Packets let through.
        public var packetCount: UInt64 = 0
        /// Their bytes.
        public var byteCount: UInt64 = 0
        /// Packets dropped by `lossPartsPerMillion`.
        public var droppedLoss: UInt64 = 0
        /// Packets dropped because the queue was full.
        public var droppedQueue: UInt64 = 0
        /// Packets that are to arrive twice.
        public var duplicated: UInt64 = 0
    }

    /// What the line does; may change at any time.
    public var settings = Settings()
    /// What went through.
    public private(set) var counters = Counters()
    /// When the last packet accepted will have left.
    private var freeAt = Instant.zero

    /// When a packet of `byteCount` that comes now has left the line, before any delay; `nil`: it is lost.
    mutating func accept(byteCount: Int, at now: Instant, random: inout SeededGenerator) -> Instant? {
        if settings.lossPartsPerMillion > 0, random.below(1_000_000) < settings.lossPartsPerMillion {
            counters.droppedLoss += 1
            return nil
        }
        if settings.bitsPerSecond > 0 {
            let backlog = Self.product(freeAt.nanoseconds(since: now), settings.bitsPerSecond, over: 8_000_000_000)
            guard backlog + UInt64(byteCount) <= settings.queueByteCountMax else {
                counters.droppedQueue += 1
                return nil
            }
            let sending = Self.product(UInt64(byteCount), 8_000_000_000, over: settings.bitsPerSecond)
            freeAt = max(freeAt, now).advanced(nanoseconds: sending)
        } else {
            freeAt = now
        }
        counters.packetCount += 1
        counters.byteCount += UInt64(byteCount)
        return freeAt
    }

    /// Whether a packet that was accepted is to arrive twice.
    mutating func duplicates(random: inout SeededGenerator) -> Bool {
        let share = settings.duplicatePartsPerMillion
        guard share > 0, random.below(1_000_000) < share else { return false }
        counters.duplicated += 1
        return true
    }

    /// This packet's share of the jitter: 0...2 times it, the middle being no change.
    func jitter(random: inout SeededGenerator) -> UInt64 {
        settings.jitterNanoseconds == 0 ? 0 : random.below(2 * settings.jitterNanoseconds + 1)
    }

    private static func product(_ left: UInt64, _ right: UInt64, over divisor: UInt64) -> UInt64 {
        let wide = left.multipliedFullWidth(by: right)
        return wide.high >= divisor ? .max / 2 : divisor.dividingFullWidth(wide).quotient
    }
}
