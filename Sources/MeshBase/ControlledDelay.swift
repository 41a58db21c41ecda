/// Says which packets of a queue to drop, so that it is short in the long run and still takes bursts (CoDel, RFC 8289).
///
///     (short) --- each packet of `intervalNanoseconds` waited for longer than the target: drop one ---> (dropping)
///        ^                                                                                                  |
///        '---------- a packet that waited for less; the queue was empty --------- one more each -----------'
///                                                                     interval / sqrt(drops)
public struct ControlledDelay: Sendable {
    private let targetNanoseconds: UInt64
    private let intervalNanoseconds: UInt64
    /// When packets will have waited too long for a whole interval.
    private var tooLongAt: Instant?
    /// When to drop the next packet; `nil`: not dropping.
    private var nextDropAt: Instant?
    /// Packets dropped since the queue was short, with which the rate rises.
    private var dropCount: UInt64 = 0

    /// Controls a queue whose packets may wait for `targetNanoseconds`, and for longer during `intervalNanoseconds`.
    public init(targetNanoseconds: UInt64, intervalNanoseconds: UInt64) {
        self.targetNanoseconds = targetNanoseconds
        self.intervalNanoseconds = intervalNanoseconds
    }

    /// The queue is empty, or has too little in it to be too long.
    public mutating func emptied() {
        tooLongAt = nil
        nextDropAt = nil
    }

    /// Takes note of a packet that leaves the queue after `delayNanoseconds` in it. Returns whether to drop it.
    public mutating func drops(delayNanoseconds: UInt64, at now: Instant) -> Bool {
        guard delayNanoseconds >= targetNanoseconds else {
            emptied()
            return false
        }
        guard let tooLongAt else {
            self.tooLongAt = now.advanced(nanoseconds: intervalNanoseconds)
            return false
        }
        guard now >= tooLongAt else { return false }
        if let nextDropAt {
            guard now >= nextDropAt else { return false }
            dropCount += 1
        } else {
            dropCount = 1
        }
        let gap = UInt64(Double(intervalNanoseconds) / Double(dropCount).squareRoot())
        nextDropAt = (nextDropAt ?? now).advanced(nanoseconds: gap)
        return true
    }
}
