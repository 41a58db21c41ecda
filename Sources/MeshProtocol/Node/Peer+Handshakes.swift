internal import MeshBase
internal import MeshCrypto
internal import MeshWire

extension Peer {
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
        if let known = responders.first(where: { $0.began(with: hello, by: carrier) }) {
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
            // Whoever dials with a recorded HELLO of the peer must not keep the peer itself out.
            guard
                let oldest = sameWay.first(where: { responders[$0].isCompleted })
                    ?? sameWay.first(where: { !carrier.isRelay && responders[$0].carrier != carrier })
            else { return .tooManyHandshakes }
            let identifier = responders[oldest].sessionIdentifier
            removeResponders(context: &context) { $0.sessionIdentifier == identifier }
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
            if case .answeringHello = responders[place].state {
                responders.remove(at: place)
            } else {
                if let unused = responders[place].localIndex { context.indices.release(unused) }
                responders[place].responseRefused()
            }
            // Anyone can dial and say to be the peer; behind a relay it is the peer, or the relay lies.
            guard carrier.isRelay else { return actions.append(.refused(.refusedMessage)) }
            lastFailure = failure
            actions.append(.event(.handshakeFailed(index, failure)))
        case .hello, .response, .rekeyRequest, .rekeyReply, .rekeyed, .relayProof, .admitted: break
        }
    }

    mutating func fail(_ failure: HandshakeFailure, actions: inout [PeerAction]) {
        lastFailure = failure
        actions.append(.event(.handshakeFailed(index, failure)))
    }
}
