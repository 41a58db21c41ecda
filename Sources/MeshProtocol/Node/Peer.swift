internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// One configured peer: its carriers, handshakes and sessions.
///
///     no carrier --carrier--> wants a session --> handshake(s) --> session --+--> rotation, pings, frames
///         ^                        ^                                         |
///         +------ carriers lost ---+--- ended, lost, unresponsive: again ----+
///
/// Crossing handshakes (DESIGN section 5): no HELLO cancels anything; the lower peer ID, once it has sent RESPONSE,
/// refuses the other's RESPONSE; the first that completes cancels the others.
struct Peer: Sendable {
    /// At one moment: the newest, the one it replaces, and one more while handshakes cross.
    static let sessionsMax = 3
    /// Half-open handshakes of one peer by each relay, and as many direct; each holds 20 KB.
    static let respondersMax = 4
    /// DESIGN section 5.
    static let replacedKeptMilliseconds: UInt64 = 10_000
    static let lossGraceMilliseconds: UInt64 = 1_000
    static let retryMillisecondsMin: UInt64 = 5_000
    static let retryMillisecondsMax: UInt64 = 60_000
    /// The higher peer ID lets the lower one begin: most handshakes then do not cross.
    static let higherWaitsMilliseconds: UInt64 = 250
    /// A relay that opens and closes channels all the time must not make this node sign all the time.
    static let startRetryMilliseconds: UInt64 = 1_000

    let index: PeerIndex
    let id: PeerID
    var relayChannels: [Int: UInt32] = [:]
    var drainingRelays: Set<Int> = []
    var direct: UInt64?
    var sessions: [Session] = []
    var paths = PeerPaths()
    private(set) var kept = KeptFrames()
    /// Direct connections that are paths of the session; `nil` unless direct paths are looked for.
    var connections: PeerConnections?
    /// The way through address translators; `nil` unless direct paths are looked for and sockets can be opened.
    var holePunch: HolePunch?
    /// How often it may have addresses tried, from session to session.
    var sprayLimit = HolePunch.SprayLimit()
    /// Channels that this node has told a relay to close.
    var closingChannels: [Int: UInt32] = [:]
    var initiator: InitiatorHandshake?
    var responders: [ResponderHandshake] = []
    var attemptAt: Instant?
    var failedAttempts: UInt64 = 0
    /// By the relay's place in the list.
    var helloBuckets: [Int: TokenBucket] = [:]
    var startBucket = TokenBucket(perSecond: 1, burst: 5)
    /// A direct connection that this node dialled while another handshake was under way: its turn comes after that.
    var waitingDirect: UInt64?
    var lossBucket = TokenBucket(perSecond: 1, burst: 5)
    var lastFailure: HandshakeFailure?

    init(index: PeerIndex, id: PeerID) {
        self.index = index
        self.id = id
    }

    /// Changes what is kept, and the books of all peers' kept bytes with it.
    mutating func updateKept<Result>(
        context: inout PeerContext, _ body: (inout KeptFrames) -> Result
    ) -> Result {
        let before = kept.byteCount
        defer { context.keptByteCount += kept.byteCount - before }
        return body(&kept)
    }

    // MARK: - Carriers

    /// The carrier for handshakes, and for records while there is no datagram path: direct before relay, a relay earlier
    /// in the list before a later one, one that is about to stop last.
    var reliableCarrier: CarrierID? {
        direct.map(CarrierID.direct) ?? relayCarrier
    }

    /// The relay's channel to use.
    var relayCarrier: CarrierID? {
        let staying = relayChannels.keys.filter { !drainingRelays.contains($0) }
        guard let relay = staying.min() ?? relayChannels.keys.min(), let channel = relayChannels[relay] else {
            return nil
        }
        return .relay(relay, channel: channel)
    }

    /// Whether the peer may send by this carrier. Changes nothing, and is `mutating` as `Node.carriers(of:)` is.
    mutating func owns(_ carrier: CarrierID) -> Bool {
        switch carrier {
        case .relay(let relay, let channel): relayChannels[relay] == channel
        case .direct(let connection): direct == connection
        case .udp: true
        }
    }

    /// The session for new records: the newest on which something was received.
    var sendingSession: Int? { sessions.latestConfirmed }

    mutating func relayOpened(
        _ relay: Int, channel: UInt32, localID: PeerID, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        relayChannels[relay] = channel
        closingChannels[relay] = nil
        paths.relayOpened(at: now)
        // Opened for both just now: nobody has a reason to close it.
        if alternative == .relay(relay, channel: channel) { paths.alternativeOpened(.relay(relay, channel: channel)) }
        actions.append(.event(.carrierOpened(index, .relay(relay, channel: channel))))
        failedAttempts = 0
        carrierOpened(localID: localID, context: &context, at: now, actions: &actions)
    }

    /// The relay is about to stop: both sides move to another one while it still forwards.
    mutating func relayDraining(_ relay: Int) { drainingRelays.insert(relay) }

    mutating func relayClosed(
        _ relay: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        drainingRelays.remove(relay)
        closingChannels[relay] = nil
        guard let channel = relayChannels.removeValue(forKey: relay) else { return }
        carrierClosed(.relay(relay, channel: channel), context: &context, at: now, actions: &actions)
    }

    mutating func directClosed(
        _ connection: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        let wasOpen = direct == connection
        let wasCurrent = paths.current == .direct(connection)
        connections?.closed(connection)
        if wasOpen { direct = connections?.proven }
        if wasCurrent { connections?.retry(at: now) }
        if waitingDirect == connection { waitingDirect = nil }
        carrierClosed(.direct(connection), wasOpen: wasOpen, context: &context, at: now, actions: &actions)
    }

    mutating func carrierClosed(
        _ carrier: CarrierID, wasOpen: Bool = true, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        // A stranger who dials, names the peer and goes is none of the peer's paths.
        if wasOpen { actions.append(.event(.carrierClosed(index, carrier))) }
        paths.alternativeClosed(carrier)
        updateKept(context: &context) { $0.closed(carrier) }
        removeResponders(context: &context) { $0.carrier == carrier && !$0.isCompleted }
        if reliableCarrier == nil { attemptAt = nil }
        if let lost = initiator, lost.carrier == carrier {
            initiator = nil
            context.indices.release(lost.localIndex)
            fail(.carrierLost, actions: &actions)
            // No carrier opens when another one is there already, so nothing else would begin again.
            attempt(at: now)
        }
    }

    /// Forgets handshakes of the peer, with the session indices of those that made no session.
    mutating func removeResponders(
        context: inout PeerContext, where isRemoved: (ResponderHandshake) -> Bool
    ) {
        for responder in responders where isRemoved(responder) && !responder.isCompleted {
            if let unused = responder.localIndex { context.indices.release(unused) }
        }
        responders.removeAll(where: isRemoved)
    }

    mutating func carrierOpened(
        localID: PeerID, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        if let sending = sendingSession, sessions[sending].isUnresponsive {
            // It may have been the way that was gone, not the peer: a second tells.
            sessions[sending].askAgain(at: now)
        } else if let sending = sendingSession {
            // Tell the peer where this node is now; a peer that has lost the session says so.
            perform(on: sending, context: &context, at: now, actions: &actions) { session, entropy, out in
                session.ping(entropy.next(), at: now, actions: &out)
            }
        } else if initiator == nil {
            attemptAt = localID < id ? now : now.advanced(milliseconds: Self.higherWaitsMilliseconds)
        }
    }

    // MARK: - Time

    /// When to call `handleTimeout` next.
    func deadline(_ context: PeerContext) -> Instant? {
        var result = attemptAt
        func consider(_ instant: Instant?) {
            if let instant { result = min(result ?? instant, instant) }
        }
        consider(initiator?.deadline)
        consider(pathDeadline(context))
        for responder in responders { consider(responder.deadline) }
        let sending = sendingSession ?? 0
        for place in sessions.indices {
            consider(sessions[place].deadline)
            consider(sessions[place].lossReportedAt?.advanced(milliseconds: Self.lossGraceMilliseconds))
            if place < sending { consider(expiry(of: sessions[place], replacedBy: sessions[sending])) }
        }
        return result
    }

    /// Until when a replaced session is kept. A session that was idle when it was replaced may still get what the
    /// peer sent in it before it learned of the new one.
    func expiry(of session: Session, replacedBy newer: Session) -> Instant {
        max(session.lastReceivedAt, newer.establishedAt).advanced(milliseconds: Self.replacedKeptMilliseconds)
    }

    mutating func handleTimeout(
        nowMilliseconds: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        expireHandshakes(context: &context, at: now, actions: &actions)
        expireSessions(context: &context, at: now)
        let due = sessions.compactMap { session in
            session.deadline.map { $0 <= now } ?? false ? session.localIndex : nil
        }
        for localIndex in due {
            guard let place = sessions.place(of: localIndex) else { continue }
            perform(on: place, context: &context, at: now, actions: &actions) { session, entropy, out in
                session.handleTimeout(at: now, entropy: &entropy, actions: &out)
            }
        }
        handlePathTimeout(context: &context, at: now, actions: &actions)
        for place in sessions.indices {
            guard let reported = sessions[place].lossReportedAt,
                now >= reported.advanced(milliseconds: Self.lossGraceMilliseconds)
            else { continue }
            sessions[place].lossReportedAt = nil
            sessions[place].lossWasObeyed = true
            // A newer session may have come meanwhile.
            if place >= (sendingSession ?? 0) { attempt(at: now) }
        }
        if let due = attemptAt, now >= due {
            startAttempt(nowMilliseconds: nowMilliseconds, context: &context, at: now, actions: &actions)
        }
    }

    mutating func startAttempt(
        nowMilliseconds: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        attemptAt = nil
        guard let next = waitingDirect.map(CarrierID.direct) ?? reliableCarrier else { return }
        guard startBucket.take(at: now) else {
            return attempt(at: now.advanced(milliseconds: Self.startRetryMilliseconds))
        }
        if initiator == nil { waitingDirect = nil }
        startHandshake(by: next, nowMilliseconds: nowMilliseconds, context: &context, at: now, actions: &actions)
    }

    mutating func expireHandshakes(
        context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        removeResponders(context: &context) { now >= $0.deadline }
        guard var handshake = initiator else { return }
        if handshake.isTimedOut(at: now) {
            initiator = nil
            context.indices.release(handshake.localIndex)
            fail(.timedOut(handshake.waitingFor), actions: &actions)
            if case .direct(let connection) = handshake.carrier {
                // It would stay open and unused for ever: closed, it is dialled again, after a back-off.
                if direct == connection { direct = nil }
                actions.append(.closeDirect(connection))
            }
            let wait = min(Self.retryMillisecondsMin << min(failedAttempts, 4), Self.retryMillisecondsMax)
            failedAttempts += 1
            let jitter = context.entropy.number(below: wait / 4 + 1)
            attempt(at: now.advanced(milliseconds: wait + jitter))
        } else {
            if let bytes = handshake.resend(at: now) { actions.append(.send(handshake.carrier, bytes)) }
            initiator = handshake
        }
    }

    mutating func expireSessions(context: inout PeerContext, at now: Instant) {
        guard let sending = sendingSession else { return }
        let replaced = sessions[..<sending].filter { now >= expiry(of: $0, replacedBy: sessions[sending]) }
        for session in replaced { remove(session.localIndex, context: &context) }
    }
}
