public import MeshBase
package import MeshCrypto
public import MeshWire

/// The shared keys and counters of two nodes. Survives any change of path.
///
///                    ESTABLISHED                 first valid record
///     (handshake) -----------------> unconfirmed -------------------> confirmed ---> replaced or ended
///                                                                       |   ^
///                                       15 s idle, or 2 s unanswered:   |   | anything received
///                                       ping, again every 3 RTT         v   |
///                                                                  unresponsive (after 1 s)
public struct Session: Sendable {
    /// DESIGN section 7: a path is dead when nothing came for this long after a ping.
    static let deadMilliseconds: UInt64 = 1_000
    /// Traffic without any answer is asked about after this long; twice the dead time, so that one-way streams cost
    /// one ping every 2 s.
    static let unansweredMilliseconds: UInt64 = 2_000
    /// Below this a resent ping would only add load.
    static let pingResendMillisecondsMin: UInt64 = 200
    /// With equal intervals both sides would ask at the same moment: the responder lets the initiator begin.
    static let responderWaitsMilliseconds: UInt64 = 1_000
    /// Pings under way; a person's ping sends one a second and waits a few seconds.
    static let pingsMax = 16

    /// The session's name between its two nodes, 16 bytes.
    public let identifier: [UInt8]
    /// Which side of the handshake this node was.
    public let role: SessionSecrets.Role
    /// The index in records to this node.
    public let localIndex: UInt32
    /// The index in records to the peer.
    public let remoteIndex: UInt32
    /// What the peer told this node.
    public let remoteParameters: SessionParameters
    /// When the handshake completed.
    public let establishedAt: Instant

    let remoteIdentity: PublicIdentity
    let identity: Identity
    private let heartbeatMilliseconds: UInt64
    var keys: EpochKeys
    var sendCounter: UInt64 = 0
    var replay = ReplayWindow()
    var stream = ControlStream()
    var rotation: KeyRotation
    var pings: [(identifier: UInt64, sentAt: Instant)] = []
    var roundTrip = RoundTripEstimator()
    /// The peer's addresses, when it named others than in its parameters.
    var remoteCandidates: [Candidate]?
    /// The path generation that this node's frames are in.
    private(set) var pathGeneration: UInt8 = 0
    var generationFrameCount: UInt64 = 0
    var slicedFrameCount: UInt32 = 0
    var superframeCount: UInt8 = 0
    /// Puts the peer's frames in order while it changes its path.
    var order = FrameOrder()
    /// Joins the peer's sliced frames.
    var assembly = FrameAssembly()
    /// What came by which path.
    var arrivals = PathArrivals()
    /// Longest smoothed round trip so far, by any path; `nil` before the first answered ping.
    var longestRoundTripNanoseconds: UInt64?
    var unansweredSince: Instant?
    var liveness = Liveness.alive
    /// Set by a valid record; ESTABLISHED sets it for the initiator.
    var isConfirmed: Bool
    /// When the last valid record came, or the handshake ended.
    public internal(set) var lastReceivedAt: Instant
    /// RESET and NO_SESSION are obeyed once per session.
    var lossReportedAt: Instant?
    var lossWasObeyed = false
    /// A newer session carries the frames: this one only receives what is still under way, or its own pings would keep
    /// it for ever.
    var isReplaced = false

    enum Liveness: Sendable, Equatable {
        case alive
        case asking(since: Instant, resendAt: Instant)
        case unresponsive
    }

    package init(_ secrets: SessionSecrets, identity: Identity, at now: Instant) throws(CryptoError) {
        identifier = secrets.identifier
        role = secrets.role
        localIndex = secrets.localParameters.sessionIndex
        remoteIndex = secrets.remoteParameters.sessionIndex
        remoteParameters = secrets.remoteParameters
        remoteIdentity = secrets.remoteIdentity
        establishedAt = now
        lastReceivedAt = now
        isConfirmed = secrets.role == .initiator
        self.identity = identity
        let heartbeat = min(
            secrets.localParameters.heartbeatIntervalSeconds, secrets.remoteParameters.heartbeatIntervalSeconds)
        heartbeatMilliseconds =
            UInt64(heartbeat) * 1000 + (secrets.role == .responder ? Self.responderWaitsMilliseconds : 0)
        keys = try EpochKeys(secrets.epoch, role: secrets.role)
        let interval = min(
            secrets.localParameters.keyRotationIntervalSeconds, secrets.remoteParameters.keyRotationIntervalSeconds)
        rotation = KeyRotation(
            role: secrets.role, sessionIdentifier: secrets.identifier, chain: secrets.epoch.chain,
            intervalMilliseconds: UInt64(interval) * 1000, at: now)
    }

    /// The epoch that this node sends in.
    public var epoch: UInt8 { keys.sendEpoch }
    /// Completed rotations of keys.
    public var rotationCount: UInt64 { rotation.count }
    /// Smoothed round-trip time in nanoseconds; `nil` before the first answered ping.
    public var roundTripNanoseconds: UInt64? { roundTrip.smoothedNanoseconds }
    /// Whether the peer has not answered for too long.
    public var isUnresponsive: Bool { liveness == .unresponsive }

    /// Ends the path generation of this node's frames. Returns what the peer has to know of it.
    mutating func endGeneration(isOldPathDead: Bool) -> PathEnd {
        defer {
            pathGeneration &+= 1
            generationFrameCount = 0
        }
        return PathEnd(
            generation: pathGeneration, isOldPathDead: isOldPathDead, frameCount: generationFrameCount)
    }

    /// DESIGN section 7: twice the old path's round trip. A node that never measured one takes it for 500 ms, as long
    /// as a path around the world and a slow relay; more than 2 s are not waited for any path.
    var orderWaitNanoseconds: UInt64 { min(2 * (longestRoundTripNanoseconds ?? 500_000_000), 2_000_000_000) }
    /// When frames that are held have waited long enough.
    var orderDeadline: Instant? { order.deadline(waitNanoseconds: orderWaitNanoseconds) }
    /// Whether the peer was asked for a sign of life and has not answered yet.
    var isAsking: Bool { if case .asking = liveness { true } else { false } }
    /// Another path is tried: the peer has as long again to answer.
    mutating func askAgain(at now: Instant) { liveness = .asking(since: now, resendAt: now) }

    // MARK: - Time

    /// When to call `handleTimeout` next.
    var deadline: Instant? {
        [keys.deadline, stream.deadline, isReplaced ? nil : rotation.deadline, livenessDeadline]
            .compactMap(\.self).min()
    }

    private var livenessDeadline: Instant? {
        if isReplaced { return nil }
        switch liveness {
        case .alive:
            let idle = lastReceivedAt.advanced(milliseconds: heartbeatMilliseconds)
            guard let unansweredSince else { return idle }
            return min(idle, unansweredSince.advanced(milliseconds: Self.unansweredMilliseconds))
        case .asking(let since, let resendAt):
            return min(resendAt, since.advanced(milliseconds: Self.deadMilliseconds))
        case .unresponsive: return nil
        }
    }

    /// Does what is due.
    mutating func handleTimeout(at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]) {
        keys.expire(at: now)
        assembly.expire(at: now)
        if let segment = stream.timedOut(at: now) {
            actions.append(.send(sealed(.streamSegment, segment.bytes, at: now)))
        }
        if !isReplaced,
            let work = rotation.start(sendEpoch: keys.sendEpoch, identity: identity, entropy: &entropy, at: now)
        {
            actions.append(.work(work))
        }
        if rotation.isTimedOut(at: now) {
            return actions.append(.ended(.rotationRefused(.timedOut(.rekey))))
        }
        checkLiveness(at: now, entropy: &entropy, actions: &actions)
    }

    private mutating func checkLiveness(
        at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]
    ) {
        guard let due = livenessDeadline, now >= due else { return }
        var since = now
        if case .asking(let asked, _) = liveness {
            since = asked
            guard now < asked.advanced(milliseconds: Self.deadMilliseconds) else {
                liveness = .unresponsive
                return actions.append(.unresponsive)
            }
        }
        let gap = max(3 * (roundTrip.smoothedNanoseconds ?? 0), Self.pingResendMillisecondsMin * 1_000_000)
        liveness = .asking(since: since, resendAt: now.advanced(nanoseconds: gap))
        ping(entropy.next(), at: now, actions: &actions)
    }
}
