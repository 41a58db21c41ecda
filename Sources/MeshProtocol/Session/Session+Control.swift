internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// Content that is not a frame: pings, and the control stream with what goes by it.
extension Session {
    /// Handles content that is not a frame. Throws `RecordRefusal.malformedContent`.
    mutating func received(
        _ kind: ContentKind, _ content: RawSpan, at now: Instant, entropy: inout EntropySource,
        actions: inout [SessionAction]
    ) throws(RecordRefusal) {
        do throws(WireError) {
            switch kind {
            case .frame, .frameSlice, .superframeSlice, .pathEnd, .pathChallenge, .pathAnswer, .poll, .pollAnswer:
                return
            case .ping:
                let probe = try Probe(parsing: content)
                actions.append(.send(sealed(.pong, probe.bytes, at: now)))
            case .pong: receivedPong(try Probe(parsing: content), at: now, actions: &actions)
            case .streamAcknowledgement:
                guard stream.received(try StreamAcknowledgement(parsing: content), at: now) else {
                    throw .invalidField(.count)
                }
                sendStream(at: now, actions: &actions)
            case .streamSegment:
                try receivedSegment(try StreamSegment(parsing: content), at: now, entropy: &entropy, actions: &actions)
            }
        } catch { throw .malformedContent }
    }

    private mutating func receivedPong(_ probe: Probe, at now: Instant, actions: inout [SessionAction]) {
        guard let index = pings.firstIndex(where: { $0.identifier == probe.identifier }) else { return }
        let elapsed = now.nanoseconds(since: pings[index].sentAt)
        pings.remove(at: index)
        roundTrip.sample(nanoseconds: elapsed)
        longestRoundTripNanoseconds = max(longestRoundTripNanoseconds ?? 0, roundTrip.smoothedNanoseconds ?? 0)
        actions.append(.pong(identifier: probe.identifier, roundTripNanoseconds: elapsed))
    }

    private mutating func receivedSegment(
        _ segment: StreamSegment, at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]
    ) throws(WireError) {
        var messages: [StreamMessage] = []
        let acknowledgement: StreamAcknowledgement?
        do throws(WireError) { acknowledgement = try stream.received(segment, messages: &messages) } catch {
            actions.append(.ended(.controlStreamBroken))
            return
        }
        if let acknowledgement {
            actions.append(.send(sealed(.streamAcknowledgement, acknowledgement.bytes, at: now)))
        }
        for message in messages {
            received(message, at: now, entropy: &entropy, actions: &actions)
            if case .ended = actions.last { return }
        }
    }

    private mutating func received(
        _ message: StreamMessage, at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]
    ) {
        switch message {
        case .rekeyRequest(let request):
            guard !keys.hasUnusedNext,
                let work = rotation.received(
                    request, sendEpoch: keys.sendEpoch, identity: identity, remoteIdentity: remoteIdentity,
                    entropy: &entropy)
            else { return actions.append(.ended(.controlStreamBroken)) }
            actions.append(.work(work))
        case .rekeyReply(let reply):
            guard let work = rotation.received(reply, remoteIdentity: remoteIdentity) else {
                return actions.append(.ended(.controlStreamBroken))
            }
            actions.append(.work(work))
        case .close: actions.append(.ended(.closedByPeer))
        case .candidates(let list): actions.append(.candidates(list))
        case .openConnections: actions.append(.openConnections)
        case .punch(let request): actions.append(.punch(request))
        case .unknown: break
        }
    }

    /// Takes the result of work that this session asked for.
    mutating func performed(_ result: WorkResult, at now: Instant, actions: inout [SessionAction]) {
        do throws(CryptoError) {
            switch result {
            case .rekeyRequest(let made):
                rotation.made(made, at: now)
                send(.rekeyRequest(made.request), at: now, actions: &actions)
            case .rekeyReply(let made):
                try keys.prepare(made.secrets)
                rotation.answered(made.secrets.chain)
                send(.rekeyReply(made.reply), at: now, actions: &actions)
            case .rekeyed(let secrets):
                try keys.advance(to: secrets, at: now)
                rotation.finished(secrets.chain, at: now)
                actions.append(.rotated(epoch: keys.sendEpoch))
                // The responder sends in the new epoch only after it received in it: give it a record at once.
                actions.append(.send(sealed(.ping, Probe(identifier: notePing(0, at: now)).bytes, at: now)))
            case .failed(let failure): actions.append(.ended(.rotationRefused(failure)))
            case .hello, .challenge, .response, .established, .relayProof, .admitted: break
            }
        } catch {
            actions.append(.ended(.rotationRefused(.refused(error, step: .rekey))))
        }
    }

    mutating func send(_ message: StreamMessage, at now: Instant, actions: inout [SessionAction]) {
        guard stream.send(message) else { return actions.append(.ended(.controlStreamBroken)) }
        sendStream(at: now, actions: &actions)
    }

    private mutating func sendStream(at now: Instant, actions: inout [SessionAction]) {
        for segment in stream.segmentsToSend(at: now) {
            actions.append(.send(sealed(.streamSegment, segment.bytes, at: now)))
        }
    }

    /// Sends a ping; its answer comes as `.pong` with the same identifier.
    mutating func ping(_ identifier: UInt64, at now: Instant, actions: inout [SessionAction]) {
        actions.append(.send(sealed(.ping, Probe(identifier: notePing(identifier, at: now)).bytes, at: now)))
    }

    /// A ping to be sent by a path of the caller's choice.
    mutating func sealedPing(_ identifier: UInt64, at now: Instant) -> [UInt8] {
        sealed(.ping, Probe(identifier: notePing(identifier, at: now)).bytes, at: now)
    }

    private mutating func notePing(_ identifier: UInt64, at now: Instant) -> UInt64 {
        if pings.count >= Self.pingsMax { pings.removeFirst() }
        pings.append((identifier, now))
        return identifier
    }

    /// Tells the peer that this node ends the session.
    mutating func close(at now: Instant, actions: inout [SessionAction]) {
        send(.close(.shutdown), at: now, actions: &actions)
    }
}
