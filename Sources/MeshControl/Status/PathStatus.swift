/// What a node tells of its paths to a peer.
public struct PathStatus: Sendable, Hashable, Codable {
    /// Time for which the path now has been used; absent without a path.
    public var sinceMilliseconds: UInt64?
    /// What a person wants: `auto`, `relay`, or the address and port of one direct path.
    public var wish: String
    /// Frames lost of 100 that were sent by the direct path lately, from the peer's answers to polls; absent without.
    public var lossPercent: Double?
    /// Why the path is in doubt, in words; absent when it is not.
    public var suspicion: String?
    /// For how long it has been in doubt.
    public var suspectMilliseconds: UInt64?
    /// Frames that came after a later path had taken over.
    public var lateFrames: UInt64
    /// Waits for frames of an earlier path that were in vain.
    public var waitsInVain: UInt64
    /// The peer's addresses.
    public var candidates: [CandidateStatus]
    /// Why the last attempt to find a direct path failed, in words; absent after a success.
    public var lastFailure: String?
    /// Time until the next attempt; absent when none is planned.
    public var nextAttemptMilliseconds: UInt64?

    /// Makes the status of a peer's paths.
    public init(
        sinceMilliseconds: UInt64? = nil, wish: String = PathChoice.automatic.text, lossPercent: Double? = nil,
        suspicion: String? = nil, suspectMilliseconds: UInt64? = nil, lateFrames: UInt64 = 0, waitsInVain: UInt64 = 0,
        candidates: [CandidateStatus] = [], lastFailure: String? = nil, nextAttemptMilliseconds: UInt64? = nil
    ) {
        self.sinceMilliseconds = sinceMilliseconds
        self.wish = wish
        self.lossPercent = lossPercent
        self.suspicion = suspicion
        self.suspectMilliseconds = suspectMilliseconds
        self.lateFrames = lateFrames
        self.waitsInVain = waitsInVain
        self.candidates = candidates
        self.lastFailure = lastFailure
        self.nextAttemptMilliseconds = nextAttemptMilliseconds
    }
}

/// An address at which a node may be reached.
public struct CandidateStatus: Sendable, Hashable, Codable {
    /// Address and port.
    public var address: String
    /// `udp` or `wss`.
    public var transport: String
    /// How its owner learned of it: `interface`, `relay`, `configured`, `port mapping`; or `learned`: from what came.
    public var source: String
    /// What came of trying it, such as `in use`, `valid`, `probing`, `unanswered`, `not tried`; absent for a node's own
    /// addresses.
    public var state: String?
    /// Why the last attempt failed, in words, when more is known than that nobody answered.
    public var lastFailure: String?
    /// Round trip of the last challenge that was answered.
    public var rttMicroseconds: UInt64?

    /// Makes the status of an address.
    public init(
        address: String, transport: String, source: String, state: String? = nil, lastFailure: String? = nil,
        rttMicroseconds: UInt64? = nil
    ) {
        self.address = address
        self.transport = transport
        self.source = source
        self.state = state
        self.lastFailure = lastFailure
        self.rttMicroseconds = rttMicroseconds
    }
}
