/// What a simulated network does to messages, in thousandths.
public struct Faults: Sendable {
    /// Messages that never arrive.
    public var lossPerMille: UInt64 = 0
    /// Messages that begin a burst of loss; only of datagrams.
    public var burstPerMille: UInt64 = 0
    /// A burst takes fewer messages than this.
    public var burstCountMax: UInt64 = 20
    /// Messages that arrive twice.
    public var duplicationPerMille: UInt64 = 0
    /// Messages of which one bit is flipped.
    public var corruptionPerMille: UInt64 = 0
    /// Messages that are cut short.
    public var truncationPerMille: UInt64 = 0
    /// Delay of each message on each leg, in milliseconds.
    public var delayMilliseconds: UInt64 = 20
    /// Up to this many milliseconds more, drawn for each message: reorders.
    public var jitterMilliseconds: UInt64 = 0

    /// A network that only delays.
    public init() {}
}
