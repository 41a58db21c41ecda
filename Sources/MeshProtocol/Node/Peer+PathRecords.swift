internal import MeshBase
internal import MeshWire

/// The records that a path sends for itself, and the books of all others.
extension Peer {
    /// Handles a path's own record. Throws `RecordRefusal.malformedContent`.
    ///
    /// Authentic records are acted on from any address, proven or not: the session's keys prove who sent them and the
    /// replay window that nobody did before. Only answers need care: those to a challenge go where it came from, all
    /// others by proven paths.
    mutating func received(
        _ kind: ContentKind, _ content: RawSpan, byteCount: Int, place: Int, by carrier: CarrierID,
        context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) throws(RecordRefusal) {
        do throws(WireError) {
            var steps: [PathProber.Step] = []
            switch kind {
            case .pathEnd:
                let free = sessions[place].order.received(try PathEnd(parsing: content))
                deliver(free, place: place, context: &context, at: now)
            case .pathChallenge:
                let challenge = try PathChallenge(parsing: content)
                if case .direct(let number) = carrier {
                    received(challenge, place: place, by: number, context: context, at: now, actions: &actions)
                }
                guard case .udp(let endpoint) = carrier else { return }
                paths.updateProber {
                    $0.received(challenge, byteCount: byteCount, from: endpoint, at: now, steps: &steps)
                }
            case .pathAnswer:
                let answer = try PathAnswer(parsing: content)
                if case .direct(let number) = carrier {
                    received(answer, place: place, by: number, at: now, actions: &actions)
                }
                guard case .udp(let endpoint) = carrier else { return }
                paths.updateProber {
                    $0.received(answer, byteCount: byteCount, from: endpoint, at: now, steps: &steps)
                }
            case .poll: received(try PathPoll(parsing: content), place: place, by: carrier, at: now, actions: &actions)
            case .pollAnswer:
                received(try PathPollAnswer(parsing: content), context: &context, at: now, actions: &actions)
            case .frame, .frameSlice, .superframeSlice, .streamSegment, .streamAcknowledgement, .ping, .pong: break
            }
            perform(steps, place, at: now, actions: &actions)
        } catch { throw .malformedContent }
    }

    private mutating func received(
        _ poll: PathPoll, place: Int, by carrier: CarrierID, at now: Instant, actions: inout [PeerAction]
    ) {
        let counts = sessions[place].arrivals.counts(by: carrier)
        let answer = PathPollAnswer(
            number: poll.number, highestCounter: counts.highestCounter, frameCount: counts.frameCount,
            longFrameCount: counts.longFrameCount)
        if carrier == paths.current {
            _ = paths.updateLiveness { $0.remotePolled(poll, at: now) }
        }
        guard let back = isUsable(carrier) ? carrier : self.carrier else { return }
        actions.append(.send(back, sessions[place].sealed(.pollAnswer, answer.bytes, at: now)))
    }

    private mutating func received(
        _ answer: PathPollAnswer, context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) {
        let before = paths.liveness?.suspicion?.reason
        guard let finding = paths.updateLiveness({ $0.received(answer, at: now) }) else { return }
        if finding.isBlackHole { foundBlackHole(at: now, actions: &actions) }
        let after = paths.liveness?.suspicion?.reason
        if before == nil, let after { becameSuspect(after, at: now, actions: &actions) }
        // What may be missing is sent again by the path that is well again, if no relay came meanwhile.
        if after == nil, !finding.isMissing, let polledAt = finding.polledAt, !kept.isEmpty {
            updateKept(context: &context) { $0.arrived(before: polledAt) }
        }
    }

    mutating func becameSuspect(_ reason: PathSuspicion, at now: Instant, actions: inout [PeerAction]) {
        guard let current = paths.current else { return }
        actions.append(.event(.pathSuspect(index, current, reason)))
        paths.doubted()
        paths.updateProber { $0.proveAnew(at: now) }
        if alternative == nil { actions.append(.hurryRelays) }
    }

    mutating func perform(
        _ steps: [PathProber.Step], _ place: Int, at now: Instant, actions: inout [PeerAction]
    ) {
        for step in steps {
            switch step {
            case .challenge(let endpoint, let challenge):
                actions.append(.send(.udp(endpoint), sessions[place].sealed(.pathChallenge, challenge.bytes, at: now)))
            case .answer(let endpoint, let answer):
                actions.append(.send(.udp(endpoint), sessions[place].sealed(.pathAnswer, answer.bytes, at: now)))
            case .validated(let endpoint, let nanoseconds):
                actions.append(.event(.pathValidated(index, endpoint, roundTripNanoseconds: nanoseconds)))
                // It was lost, with nothing to go to: it starts afresh.
                if endpoint == paths.currentEndpoint { paths.moved(to: .udp(endpoint), at: now) }
            case .sized(let endpoint, let byteCount):
                guard endpoint == paths.currentEndpoint else { continue }
                actions.append(.event(.pathSizeChanged(index, endpoint, recordByteCount: byteCount)))
            case .failed(let failure): actions.append(.event(.attemptFailed(index, failure)))
            }
        }
    }

    /// Takes a run that came by the address that this node's frames go to, as `Session.take` does.
    mutating func take(_ run: OpenedRun, by carrier: CarrierID, at now: Instant) -> Bool {
        guard case .udp = carrier, carrier == paths.current,
            let place = sessions.place(of: run.header.receiverIndex), sessions[place].take(run, by: carrier, at: now)
        else { return false }
        paths.heard()
        return true
    }

    /// Keeps the books of a record that was opened: where it came from, and that its path carries something.
    mutating func note(
        _ header: RecordHeader, kind: ContentKind, isDeadEnd: Bool, byteCount: Int, place: Int, by carrier: CarrierID,
        at now: Instant, actions: inout [PeerAction]
    ) {
        let showsPath =
            switch kind {
            case .pathChallenge, .pathAnswer, .pollAnswer: false
            case .pathEnd: isDeadEnd
            case .frame, .frameSlice, .superframeSlice, .streamSegment, .streamAcknowledgement, .ping, .pong, .poll:
                true
            }
        let previous = sessions[place].arrivals.note(
            header.counter, frameByteCount: kind.isFrame ? byteCount : nil, showsPath: showsPath, by: carrier, at: now)
        let isCurrent = carrier == paths.current
        if let previous, previous == paths.current {
            // The peer's records came from the address in use and come from elsewhere now: it may have moved.
            _ = paths.updateLiveness { $0.check(at: now) }
        }
        if case .direct(let number) = carrier { noteConnection(number, at: now, actions: &actions) }
        guard paths.liveness != nil || paths.prober != nil else { return }
        // The peer's PONG may come by another path: the PING came by this one.
        if isCurrent || kind == .pong { paths.heard() }
        guard !isCurrent else { return }
        if case .udp(let endpoint) = carrier {
            paths.updateProber { $0.received(byteCount: byteCount, from: endpoint, at: now) }
            heardForTraversal(from: endpoint, at: now, actions: &actions)
        } else if showsPath, carrier.isRelay {
            // The peer's frames go by relay while ours do not: one of both may be wrong.
            paths.relayUsed(at: now)
        }
    }
}
