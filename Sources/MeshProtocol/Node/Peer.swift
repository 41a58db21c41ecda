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
    private static let sessionsMax = 3
    /// Half-open handshakes of one peer by each relay, and as many direct; each holds 20 KB.
    private static let respondersMax = 4
    /// DESIGN section 5.
    private static let replacedKeptMilliseconds: UInt64 = 10_000
    private static let lossGraceMilliseconds: UInt64 = 1_000
    private static let retryMillisecondsMin: UInt64 = 5_000
    private static let retryMillisecondsMax: UInt64 = 60_000
    /// The higher peer ID lets the lower one begin: most handshakes then do not cross.
    private static let higherWaitsMilliseconds: UInt64 = 250
    /// A relay that opens and closes channels all the time must not make this node sign all the time.
    private static let startRetryMilliseconds: UInt64 = 1_000

    let index: PeerIndex
    let id: PeerID
    private(set) var relayChannels: [Int: UInt32] = [:]
    private var drainingRelays: Set<Int> = []
    private(set) var direct: UInt64?
    var sessions: [Session] = []
    var paths = PeerPaths()
    /// Channels that this node has told a relay to close.
    var closingChannels: [Int: UInt32] = [:]
    private var initiator: InitiatorHandshake?
    private var responders: [ResponderHandshake] = []
    private var attemptAt: Instant?
    private var failedAttempts: UInt64 = 0
    /// By the relay's place in the list.
    private var helloBuckets: [Int: TokenBucket] = [:]
    private var startBucket = TokenBucket(perSecond: 1, burst: 5)
    /// A direct connection that this node dialled while another handshake was under way: its turn comes after that.
    private var waitingDirect: UInt64?
    private var lossBucket = TokenBucket(perSecond: 1, burst: 5)
    private(set) var lastFailure: HandshakeFailure?

    init(index: PeerIndex, id: PeerID) {
        self.index = index
        self.id = id
    }

    // MARK: - Carriers

    /// The carrier for handshakes, and for records while there is no datagram path: direct before relay, a relay earlier in the list before a later one, one that is
    /// about to stop last.
    var reliableCarrier: CarrierID? {
        if let direct { return .direct(direct) }
        let staying = relayChannels.keys.filter { !drainingRelays.contains($0) }
        guard let relay = staying.min() ?? relayChannels.keys.min(), let channel = relayChannels[relay] else {
            return nil
        }
        return .relay(relay, channel: channel)
    }

    /// Whether the peer may send by this carrier.
    func owns(_ carrier: CarrierID) -> Bool {
        switch carrier {
        case .relay(let relay, let channel): relayChannels[relay] == channel
        case .direct(let connection): direct == connection
        case .udp: true
        }
    }

    /// The session for new records: the newest on which something was received.
    var sendingSession: Int? { sessions.lastIndex { $0.isConfirmed } }

    mutating func relayOpened(
        _ relay: Int, channel: UInt32, localID: PeerID, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        relayChannels[relay] = channel
        closingChannels[relay] = nil
        paths.relayOpened(at: now)
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
        if wasOpen { direct = nil }
        if waitingDirect == connection { waitingDirect = nil }
        carrierClosed(.direct(connection), wasOpen: wasOpen, context: &context, at: now, actions: &actions)
    }

    private mutating func carrierClosed(
        _ carrier: CarrierID, wasOpen: Bool = true, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        // A stranger who dials, names the peer and goes is none of the peer's paths.
        if wasOpen { actions.append(.event(.carrierClosed(index, carrier))) }
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
    private mutating func removeResponders(
        context: inout PeerContext, where isRemoved: (ResponderHandshake) -> Bool
    ) {
        for responder in responders where isRemoved(responder) && !responder.isCompleted {
            if let unused = responder.localIndex { context.indices.release(unused) }
        }
        responders.removeAll(where: isRemoved)
    }

    private mutating func carrierOpened(
        localID: PeerID, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        if let sending = sendingSession, !sessions[sending].isUnresponsive {
            // Tell the peer where this node is now; a peer that has lost the session says so.
            perform(on: sending, context: &context, at: now, actions: &actions) { session, entropy, out in
                session.ping(entropy.next(), at: now, actions: &out)
            }
        } else if initiator == nil {
            attemptAt = localID < id ? now : now.advanced(milliseconds: Self.higherWaitsMilliseconds)
        }
    }

    // MARK: - Handshakes

    /// Starts a handshake by `carrier`, unless one is under way.
    mutating func startHandshake(
        by carrier: CarrierID, nowMilliseconds: UInt64, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        guard initiator == nil else {
            if case .direct(let connection) = carrier { waitingDirect = connection }
            return
        }
        attemptAt = nil
        let nonce = context.entropy.bytes(count: SuiteSizes.nonceByteCount)
        initiator = InitiatorHandshake(
            carrier: carrier, nonce: nonce,
            localIndex: context.indices.allocate(for: index, entropy: &context.entropy),
            jitterPercent: context.jitterPercent(), at: now)
        let work = MakeHello(
            identity: context.identity, responder: id, nonce: nonce, timestampMilliseconds: nowMilliseconds,
            agreementSecret: Secret(context.entropy.bytes(count: 32)))
        actions.append(.work(.makeHello(work), .initiator(nonce: nonce)))
    }

    /// A HELLO whose sender says to be this peer. Returns a refusal to be counted.
    mutating func received(
        hello: [UInt8], by carrier: CarrierID, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) -> NodeRefusal? {
        if let known = responders.first(where: { $0.hello == hello && $0.carrier == carrier }) {
            if let bytes = known.storedChallenge { actions.append(.send(carrier, bytes)) }
            return nil
        }
        // Direct connections are limited by address, or a stranger could use up what the peer needs.
        var isAllowed = true
        if case .relay(let relay, _) = carrier {
            var bucket = helloBuckets[relay] ?? TokenBucket(perSecond: 1, burst: 5)
            isAllowed = bucket.take(at: now)
            helloBuckets[relay] = bucket
        }
        guard isAllowed else { return .helloRateLimited }
        // One relay's replays use up what that relay has, and nothing of another one's.
        let sameWay = responders.indices.filter { responders[$0].carrier.way == carrier.way }
        if sameWay.count >= Self.respondersMax {
            guard let completed = sameWay.first(where: { responders[$0].isCompleted }) else {
                return .tooManyHandshakes
            }
            responders.remove(at: completed)
        }
        let identifier = context.entropy.bytes(count: SuiteSizes.sessionIdentifierByteCount)
        responders.append(
            ResponderHandshake(carrier: carrier, hello: hello, sessionIdentifier: identifier, at: now))
        let work = AnswerHello(
            identity: context.identity, hello: hello, sessionIdentifier: identifier,
            nonce: context.entropy.bytes(count: SuiteSizes.nonceByteCount),
            kemSeed: Secret(context.entropy.bytes(count: EncapsulationKeyPair.seedByteCount)),
            agreementSecret: Secret(context.entropy.bytes(count: 32)))
        actions.append(.event(.handshake(index, .helloReceived)))
        actions.append(.work(.answerHello(work), .responder(sessionIdentifier: identifier)))
        return nil
    }

    /// A CHALLENGE that came by one of the peer's carriers.
    mutating func received(
        challenge bytes: [UInt8], by carrier: CarrierID, context: inout PeerContext, actions: inout [PeerAction]
    ) -> NodeRefusal? {
        guard let message = try? Challenge(parsing: bytes.span.rawBytes) else { return .malformedMessage }
        guard var handshake = initiator, handshake.carrier == carrier,
            ConstantTime.equal(handshake.nonce, message.helloNonce)
        else { return .unexpectedMessage }
        var parameters = context.parameters
        parameters.sessionIndex = handshake.localIndex
        parameters.resetToken = context.identity.resetToken(for: handshake.localIndex)
        guard
            let work = handshake.received(
                challenge: bytes, identity: context.identity, responder: id, parameters: parameters)
        else { return .unexpectedMessage }
        initiator = handshake
        actions.append(.event(.handshake(index, .challengeReceived)))
        actions.append(.work(work, .initiator(nonce: handshake.nonce)))
        return nil
    }

    /// A RESPONSE that came by one of the peer's carriers.
    mutating func received(
        response bytes: [UInt8], by carrier: CarrierID, localID: PeerID, context: inout PeerContext,
        actions: inout [PeerAction]
    ) -> NodeRefusal? {
        guard let message = try? Response(parsing: bytes.span.rawBytes) else { return .malformedMessage }
        guard
            let place = responders.firstIndex(where: {
                $0.carrier == carrier && $0.sessionIdentifier == message.sessionIdentifier
            })
        else { return .unexpectedMessage }
        if let established = responders[place].storedEstablished(for: bytes) {
            actions.append(.send(carrier, established))
            return nil
        }
        if localID < id, initiator?.hasSentResponse == true { return .crossedHandshake }
        guard responders[place].acceptsResponse,
            let work = responders[place].received(response: bytes, parameters: context.sessionParameters(for: index))
        else { return .unexpectedMessage }
        actions.append(.event(.handshake(index, .responseReceived)))
        actions.append(.work(work, .responder(sessionIdentifier: message.sessionIdentifier)))
        return nil
    }

    /// An ESTABLISHED that came by one of the peer's carriers.
    mutating func received(
        established bytes: [UInt8], by carrier: CarrierID, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) -> NodeRefusal? {
        guard let message = try? Established(parsing: bytes.span.rawBytes) else { return .malformedMessage }
        guard var handshake = initiator, handshake.carrier == carrier else { return .unexpectedMessage }
        do throws(HandshakeFailure) {
            guard let secrets = try handshake.received(established: message) else { return .unexpectedMessage }
            actions.append(.event(.handshake(index, .establishedReceived)))
            initiator = nil
            install(
                secrets, by: carrier, startedAt: handshake.startedAt, byteCount: handshake.byteCount,
                processorNanoseconds: handshake.processorNanoseconds, context: &context, at: now, actions: &actions)
            return nil
        } catch {
            lastFailure = error
            actions.append(.event(.handshakeFailed(index, error)))
            return .refusedMessage
        }
    }

    /// Work of the initiator's side is done.
    mutating func performed(
        _ result: WorkResult, nonce: [UInt8], processorNanoseconds: UInt64, at now: Instant,
        actions: inout [PeerAction]
    ) {
        guard var handshake = initiator, handshake.nonce == nonce else { return }
        handshake.processorNanoseconds += processorNanoseconds
        switch result {
        case .hello(let made):
            if let bytes = handshake.made(made, at: now) {
                actions.append(.event(.handshake(index, .helloSent)))
                actions.append(.send(handshake.carrier, bytes))
            }
        case .response(let made):
            if let bytes = handshake.answered(made, at: now) {
                actions.append(.event(.handshake(index, .responseSent)))
                actions.append(.send(handshake.carrier, bytes))
            }
        case .failed(let failure):
            handshake.challengeRefused()
            lastFailure = failure
            actions.append(.event(.handshakeFailed(index, failure)))
        case .challenge, .established, .rekeyRequest, .rekeyReply, .rekeyed, .relayProof, .admitted: break
        }
        initiator = handshake
    }

    /// Work of the responder's side is done.
    mutating func performed(
        _ result: WorkResult, sessionIdentifier: [UInt8], processorNanoseconds: UInt64, context: inout PeerContext,
        at now: Instant, actions: inout [PeerAction]
    ) {
        guard let place = responders.firstIndex(where: { $0.sessionIdentifier == sessionIdentifier }) else { return }
        responders[place].processorNanoseconds += processorNanoseconds
        let carrier = responders[place].carrier
        switch result {
        case .challenge(let made):
            if let bytes = responders[place].answered(made) {
                actions.append(.event(.handshake(index, .challengeSent)))
                actions.append(.send(carrier, bytes))
            }
        case .established(let made):
            // Both RESPONSEs may have been in work at the same time: the lower ID's own may have gone out meanwhile,
            // and two sessions, each unknown to the other side, would come of it.
            if context.identity.id < id, initiator?.hasSentResponse == true {
                context.indices.release(made.secrets.localParameters.sessionIndex)
                return responders[place].responseRefused()
            }
            guard responders[place].established(made.bytes) else { return }
            actions.append(.event(.handshake(index, .establishedSent)))
            actions.append(.send(carrier, made.bytes))
            let handshake = responders[place]
            install(
                made.secrets, by: carrier, startedAt: handshake.startedAt, byteCount: handshake.byteCount,
                processorNanoseconds: handshake.processorNanoseconds, context: &context, at: now, actions: &actions)
        case .failed(let failure):
            if let unused = responders[place].localIndex { context.indices.release(unused) }
            if case .answeringHello = responders[place].state {
                responders.remove(at: place)
            } else {
                responders[place].responseRefused()
            }
            lastFailure = failure
            actions.append(.event(.handshakeFailed(index, failure)))
        case .hello, .response, .rekeyRequest, .rekeyReply, .rekeyed, .relayProof, .admitted: break
        }
    }

    private mutating func fail(_ failure: HandshakeFailure, actions: inout [PeerAction]) {
        lastFailure = failure
        actions.append(.event(.handshakeFailed(index, failure)))
    }

    // MARK: - Sessions

    private mutating func install(
        _ secrets: SessionSecrets, by carrier: CarrierID, startedAt: Instant, byteCount: Int,
        processorNanoseconds: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        let session: Session
        do throws(CryptoError) { session = try Session(secrets, identity: context.identity, at: now) } catch {
            return fail(.refused(error, step: .established), actions: &actions)
        }
        if let cancelled = initiator { context.indices.release(cancelled.localIndex) }
        initiator = nil
        removeResponders(context: &context) { !$0.isCompleted }
        attemptAt = nil
        failedAttempts = 0
        lastFailure = nil
        if sessions.count >= Self.sessionsMax {
            // Not the one that carries the frames: the newer ones may never be confirmed.
            let sending = sendingSession
            let oldest = sessions.indices.first { $0 != sending } ?? 0
            remove(sessions[oldest].localIndex, context: &context)
        }
        sessions.append(session)
        markReplaced()
        if case .direct(let connection) = carrier, direct != connection {
            if let direct { actions.append(.closeDirect(direct)) }
            direct = connection
            if waitingDirect == connection { waitingDirect = nil }
            actions.append(.claim(connection))
            actions.append(.event(.carrierOpened(index, carrier)))
        }
        let summary = HandshakeSummary(
            role: secrets.role, sessionIdentifier: secrets.identifier, nanoseconds: now.nanoseconds(since: startedAt),
            processorNanoseconds: processorNanoseconds, byteCount: byteCount,
            remoteParameters: secrets.remoteParameters)
        actions.append(.event(.established(index, summary)))
        if waitingDirect != nil { attempt(at: now) }
        guard secrets.role == .initiator else { return }
        // The responder may send only after the initiator's first record: give it one at once.
        perform(on: sessions.count - 1, context: &context, at: now, actions: &actions) { session, entropy, out in
            session.ping(entropy.next(), at: now, actions: &out)
        }
    }

    /// Opens a record of the session with `header`'s index, in place. Throws `RecordRefusal`.
    ///
    /// - Returns: the place of a frame, or `nil` when the record was control or its frame waits for its turn.
    mutating func open(
        _ record: inout MutableRawSpan, header: RecordHeader, by carrier: CarrierID, context: inout PeerContext,
        at now: Instant,
        actions: inout [PeerAction]
    ) throws(RecordRefusal) -> Range<Int>? {
        guard let place = sessions.firstIndex(where: { $0.localIndex == header.receiverIndex }) else {
            throw .unknownSession
        }
        let wasConfirmed = sessions[place].isConfirmed
        var rotated = false
        let kind: ContentKind
        let content: Range<Int>
        do throws(RecordRefusal) {
            (kind, content) = try sessions[place].open(&record, header: header, at: now, rotated: &rotated)
        } catch {
            let isFrame =
                record.bytes.bigEndian(at: RecordHeader.byteCount, as: UInt8.self) == ContentKind.frame.rawValue
            if error == .replayed, isFrame, sessions[place].arrivals.noteCopy(header.counter, by: carrier, at: now) {
                throw .duplicate
            }
            throw error
        }
        // The second byte of END's content holds its flags.
        let isDeadEnd =
            kind == .pathEnd && content.count > 1
            && record.bytes.bigEndian(
                at: content.lowerBound + 1, as: UInt8.self) & 1 != 0
        note(
            header, kind: kind, isDeadEnd: isDeadEnd, byteCount: record.byteCount, place: place, by: carrier, at: now)
        if !wasConfirmed {
            markReplaced()
            actions.append(.event(.confirmed(index)))
        }
        if rotated { actions.append(.event(.rotated(index, epoch: sessions[place].epoch))) }
        if kind == .frame {
            let isInOrder = order(
                record.bytes.extracting(content), header: header, place: place, context: &context, at: now)
            return isInOrder ? content : nil
        }
        if kind.isPathControl {
            try received(
                kind, record.bytes.extracting(content), byteCount: record.byteCount, place: place, by: carrier,
                context: &context, at: now, actions: &actions)
            return nil
        }
        // What comes by a channel that is being closed must not be told to arrive: no frame may follow it.
        if kind == .ping, case .relay(let relay, let channel) = carrier, closingChannels[relay] == channel {
            return nil
        }
        var out: [SessionAction] = []
        try sessions[place].received(
            kind, record.bytes.extracting(content), at: now, entropy: &context.entropy, actions: &out)
        apply(out, of: header.receiverIndex, context: &context, at: now, actions: &actions)
        return nil
    }

    /// Work of a session is done.
    mutating func performed(
        _ result: WorkResult, localIndex: UInt32, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        guard let place = sessions.firstIndex(where: { $0.localIndex == localIndex }) else { return }
        perform(on: place, context: &context, at: now, actions: &actions) { session, _, out in
            session.performed(result, at: now, actions: &out)
        }
    }

    mutating func perform(
        on place: Int, context: inout PeerContext, at now: Instant, actions: inout [PeerAction],
        _ body: (inout Session, inout EntropySource, inout [SessionAction]) -> Void
    ) {
        var out: [SessionAction] = []
        body(&sessions[place], &context.entropy, &out)
        apply(out, of: sessions[place].localIndex, context: &context, at: now, actions: &actions)
    }

    private mutating func apply(
        _ out: [SessionAction], of localIndex: UInt32, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        for action in out {
            switch action {
            case .send(let record):
                if let carrier { actions.append(.send(carrier, record)) }
                if let secondCarrier { actions.append(.send(secondCarrier, record)) }
            case .candidates(let list):
                if let place = sessions.firstIndex(where: { $0.localIndex == localIndex }) {
                    received(list, place: place, at: now)
                }
            case .work(let work): actions.append(.work(work, .session(localIndex: localIndex)))
            case .rotated(let epoch): actions.append(.event(.rotated(index, epoch: epoch)))
            case .pong(let identifier, let nanoseconds):
                paths.ponged(identifier)
                if let carrier {
                    actions.append(
                        .event(
                            .pong(
                                index, identifier: identifier, roundTripNanoseconds: nanoseconds, carrier)))
                }
            case .unresponsive:
                // The session is kept; a handshake replaces it, or a late answer revives it.
                if sessions.last?.localIndex == localIndex {
                    if paths.currentEndpoint != nil, let place = sendingSession {
                        // The path is dead, and perhaps not the peer: it is asked by relay before it is given up. As
                        // long as there is no relay, no handshake could be tried either.
                        if reliableCarrier != nil { currentPathDied(at: now, actions: &actions) }
                        sessions[place].askAgain(at: now)
                        continue
                    }
                    actions.append(.event(.unresponsive(index)))
                    leaveDirect(actions: &actions)
                    attempt(at: now)
                }
            case .ended(let end):
                remove(localIndex, context: &context)
                actions.append(.event(.sessionEnded(index, end)))
                // A peer that shuts down is left alone for a while; its return opens a carrier.
                if sessions.isEmpty { attempt(at: now.advanced(milliseconds: Self.retryMillisecondsMin)) }
            }
        }
    }

    private mutating func remove(_ localIndex: UInt32, context: inout PeerContext) {
        if let place = sessions.firstIndex(where: { $0.localIndex == localIndex }) {
            // What was received is delivered, though its turn never came.
            context.release(sessions[place].order.drain(), of: index)
            sessions.remove(at: place)
        }
        context.indices.release(localIndex)
        markReplaced()
    }

    private mutating func markReplaced() {
        let sending = sendingSession ?? 0
        for place in sessions.indices { sessions[place].isReplaced = place < sending }
    }

    private mutating func attempt(at instant: Instant) {
        guard initiator == nil, reliableCarrier != nil || waitingDirect != nil else { return }
        attemptAt = min(attemptAt ?? instant, instant)
    }

    /// The direct connection answers no more: what is sent goes by relay again, when there is one.
    private mutating func leaveDirect(actions: inout [PeerAction]) {
        guard let dead = direct, !relayChannels.isEmpty else { return }
        direct = nil
        actions.append(.closeDirect(dead))
        actions.append(.event(.carrierClosed(index, .direct(dead))))
    }

    /// The peer says that it has no session with `remoteIndex`. Obeyed once per session, and only when nothing valid
    /// follows within 1 s; it removes nothing.
    mutating func sessionLost(remoteIndex: UInt32, token: [UInt8]?, at now: Instant, actions: inout [PeerAction]) {
        // The peer may forget a session that was replaced: nothing is lost with it.
        guard let place = sessions.firstIndex(where: { $0.remoteIndex == remoteIndex }),
            place >= (sendingSession ?? 0), !sessions[place].lossWasObeyed, sessions[place].lossReportedAt == nil
        else { return }
        if let token {
            guard ConstantTime.equal(token, sessions[place].remoteParameters.resetToken) else { return }
        }
        sessions[place].lossReportedAt = now
        actions.append(.event(.sessionLost(index)))
    }

    /// Whether a "no session" may be sent to this peer now.
    mutating func mayReportLoss(at now: Instant) -> Bool { lossBucket.take(at: now) }

    /// Sends a ping in the session. Returns `false` when there is no session or no carrier.
    mutating func ping(
        _ identifier: UInt64, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) -> Bool {
        guard let place = sendingSession, carrier != nil else { return false }
        perform(on: place, context: &context, at: now, actions: &actions) { session, _, out in
            session.ping(identifier, at: now, actions: &out)
        }
        return true
    }

    /// Tells the peer that this node goes away.
    mutating func close(context: inout PeerContext, at now: Instant, actions: inout [PeerAction]) {
        guard let place = sendingSession else { return }
        perform(on: place, context: &context, at: now, actions: &actions) { session, _, out in
            session.close(at: now, actions: &out)
        }
    }

    /// Seals the frame that lies at `Session.contentOffset` of `record`, in place.
    ///
    /// - Returns: the record's byte count; `nil` when there is no session.
    mutating func sealFrame(byteCount: Int, in record: inout MutableRawSpan, at now: Instant) -> Int? {
        guard let place = sendingSession else { return nil }
        paths.frameSent(at: now)
        return sessions[place].seal(.frame, contentByteCount: byteCount, in: &record, at: now)
    }

    /// Handshakes of either side that are kept, completed ones included.
    var handshakeCount: Int { responders.count + (initiator == nil ? 0 : 1) }

    /// Whether a handshake is under way.
    var isHandshaking: Bool { initiator != nil || responders.contains { !$0.isCompleted } }

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
        for (place, session) in sessions.enumerated() {
            consider(session.deadline)
            consider(session.lossReportedAt?.advanced(milliseconds: Self.lossGraceMilliseconds))
            if let sending = sendingSession, place < sending {
                consider(expiry(of: session, replacedBy: sessions[sending]))
            }
        }
        return result
    }

    /// Until when a replaced session is kept. A session that was idle when it was replaced may still get what the
    /// peer sent in it before it learned of the new one.
    private func expiry(of session: Session, replacedBy newer: Session) -> Instant {
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
            guard let place = sessions.firstIndex(where: { $0.localIndex == localIndex }) else { continue }
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

    private mutating func startAttempt(
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

    private mutating func expireHandshakes(
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

    private mutating func expireSessions(context: inout PeerContext, at now: Instant) {
        guard let sending = sendingSession else { return }
        let replaced = sessions[..<sending].filter { now >= expiry(of: $0, replacedBy: sessions[sending]) }
        for session in replaced { remove(session.localIndex, context: &context) }
    }
}
