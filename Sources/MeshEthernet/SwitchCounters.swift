/// What the switch did since it was made; each number only grows.
public struct SwitchCounters: Sendable {
    /// Frames from the TAP sent to the one peer where their destination lives.
    public internal(set) var forwarded: UInt64 = 0
    /// Frames from the TAP sent to more than the one peer, or to one for want of knowing better.
    public internal(set) var flooded: UInt64 = 0
    /// Copies of flooded frames that a peer's flood limit held back.
    public internal(set) var floodCopiesLimited: UInt64 = 0
    /// Frames from peers written to the TAP.
    public internal(set) var delivered: UInt64 = 0
    /// ARP requests and neighbour solicitations answered here.
    public internal(set) var answered: UInt64 = 0
    /// Addresses learned.
    public internal(set) var addressesLearned: UInt64 = 0
    /// Addresses that moved to another place.
    public internal(set) var addressesMoved: UInt64 = 0
    /// Frames whose source was not learned, as its place has as many addresses as it may have.
    public internal(set) var addressesNotLearned: UInt64 = 0
    /// Frames whose source was not moved, as it flaps.
    public internal(set) var movesDamped: UInt64 = 0
    /// Loop probes sent.
    public internal(set) var probesSent: UInt64 = 0
    /// Own loop probes that came back by the TAP.
    public internal(set) var probesReturned: UInt64 = 0
    /// Events that nobody took in time.
    public internal(set) var eventsLost: UInt64 = 0
    /// One number for each `DropReason`, in the order of `allCases`.
    private var drops: [15 of UInt64] = .init(repeating: 0)

    /// All zero.
    public init() {}

    /// Frames dropped for `reason`.
    public func dropped(_ reason: DropReason) -> UInt64 { drops[reason.rawValue] }

    /// Frames dropped for any reason.
    public var dropped: UInt64 { DropReason.allCases.reduce(0) { $0 + dropped($1) } }

    mutating func countDrop(_ reason: DropReason) { drops[reason.rawValue] &+= 1 }
}
