internal import MeshBase
internal import MeshCrypto
internal import MeshWire

extension Peer {
    mutating func install(
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
        // It belongs to the peer now, and to no session.
        if case .direct(let connection) = carrier { connections?.closed(connection) }
        if case .direct(let connection) = carrier, direct != connection {
            if let direct {
                connections?.closed(direct)
                actions.append(.closeDirect(direct))
            }
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

    /// What opens a record with `header` without this peer; `nil` when there is no session or key for it. Changes nothing,
    /// and is `mutating` as `Node.carriers(of:)` is.
    mutating func openingKey(of header: RecordHeader) -> OpeningKey? {
        guard let place = sessions.place(of: header.receiverIndex) else { return nil }
        return sessions[place].openingKey(of: header)
    }

    /// Opens a record of the session with `header`'s index, in place, unless `opening` says what that gave. Throws
    /// `RecordRefusal`.
    ///
    /// - Returns: the place of a frame, or `nil` when the record was control or its frame waits for its turn.
    mutating func open(
        _ record: inout MutableRawSpan, opening: RecordOpening?, header: RecordHeader, by carrier: CarrierID,
        context: inout PeerContext, at now: Instant, actions: inout [PeerAction]
    ) throws(RecordRefusal) -> (kind: ContentKind, content: Range<Int>)? {
        guard let place = sessions.place(of: header.receiverIndex) else {
            throw .unknownSession
        }
        let wasConfirmed = sessions[place].isConfirmed
        var rotated = false
        let kind: ContentKind
        let content: Range<Int>
        do throws(RecordRefusal) {
            (kind, content) = try sessions[place].open(
                &record, opening: opening, header: header, at: now, rotated: &rotated)
        } catch {
            let kind = ContentKind(rawValue: record.bytes.bigEndian(at: RecordHeader.byteCount, as: UInt8.self))
            if error == .replayed, kind?.isFrame == true,
                sessions[place].arrivals.noteCopy(
                    header.counter, byteCount: record.byteCount, by: carrier, at: now)
            {
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
            header, kind: kind, isDeadEnd: isDeadEnd, byteCount: record.byteCount, place: place, by: carrier, at: now,
            actions: &actions)
        if !wasConfirmed {
            markReplaced()
            actions.append(.event(.confirmed(index)))
        }
        if rotated { actions.append(.event(.rotated(index, epoch: sessions[place].epoch))) }
        if kind.isFrame {
            let isWhole = try order(
                record.bytes.extracting(content), kind: kind, header: header, place: place, context: &context, at: now)
            return isWhole ? (kind, content) : nil
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
        guard let place = sessions.place(of: localIndex) else { return }
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

    mutating func apply(
        _ out: [SessionAction], of localIndex: UInt32, context: inout PeerContext, at now: Instant,
        actions: inout [PeerAction]
    ) {
        for action in out {
            switch action {
            case .send(let record):
                if let carrier { actions.append(.send(carrier, record)) }
                if let secondCarrier { actions.append(.send(secondCarrier, record)) }
            case .candidates(let list):
                if let place = sessions.place(of: localIndex) {
                    received(list, place: place, at: now)
                }
            case .openConnections:
                if let place = sessions.place(of: localIndex) {
                    peerOpensConnections(place: place, at: now, actions: &actions)
                }
            case .punch(let request):
                if let place = sessions.place(of: localIndex) {
                    received(request, place: place, context: &context, at: now, actions: &actions)
                }
            case .work(let work): actions.append(.work(work, .session(localIndex: localIndex)))
            case .rotated(let epoch): actions.append(.event(.rotated(index, epoch: epoch)))
            case .pong(let identifier, let nanoseconds):
                ponged(identifier, context: &context)
                if let carrier {
                    actions.append(
                        .event(
                            .pong(
                                index, identifier: identifier, roundTripNanoseconds: nanoseconds, carrier)))
                }
            case .unresponsive:
                // The session is kept; a handshake replaces it, or a late answer revives it.
                if sessions.last?.localIndex == localIndex {
                    let isPathInDoubt = paths.currentEndpoint != nil || isOnDirect && paths.prober != nil
                    if isPathInDoubt, let place = sendingSession {
                        // The path is dead, and perhaps not the peer: it is asked by relay before it is given up. As
                        // long as there is no relay, no handshake could be tried either.
                        if alternative != nil { currentPathDied(at: now, actions: &actions) }
                        sessions[place].askAgain(at: now)
                        continue
                    }
                    actions.append(.event(.unresponsive(index)))
                    leaveDirect(actions: &actions)
                    attempt(at: now)
                }
            case .ended(let end):
                // Older ones end with it, or this node would go on in a session that the peer has left.
                guard let place = sessions.place(of: localIndex) else { continue }
                for ended in sessions[...place].map(\.localIndex) { remove(ended, context: &context) }
                actions.append(.event(.sessionEnded(index, end)))
                // A peer that shuts down is left alone for a while; its return opens a carrier.
                if sessions.isEmpty { attempt(at: now.advanced(milliseconds: Self.retryMillisecondsMin)) }
            }
        }
    }

    mutating func remove(_ localIndex: UInt32, context: inout PeerContext) {
        if let place = sessions.place(of: localIndex) {
            // What was received is delivered, though its turn never came.
            deliver(sessions[place].order.drain(), place: place, context: &context, at: sessions[place].lastReceivedAt)
            sessions.remove(at: place)
        }
        context.indices.release(localIndex)
        markReplaced()
    }

    mutating func markReplaced() {
        let sending = sendingSession ?? 0
        for place in sessions.indices { sessions[place].isReplaced = place < sending }
    }

    mutating func attempt(at instant: Instant) {
        guard initiator == nil, reliableCarrier != nil || waitingDirect != nil else { return }
        attemptAt = min(attemptAt ?? instant, instant)
    }

    /// The direct connection answers no more: what is sent goes by relay again, when there is one.
    mutating func leaveDirect(actions: inout [PeerAction]) {
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

    /// Prepares the record of the frame that lies at `Session.contentOffset` of `record`; `nil`: there is no session.
    mutating func prepareFrame(
        byteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? { prepare(.frame, contentByteCount: byteCount, in: &record, at: now) }

    /// A record with a frame or slice goes out.
    private mutating func prepare(
        _ kind: ContentKind, contentByteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        guard let place = sendingSession else { return nil }
        let job = sessions[place].prepare(kind, contentByteCount: contentByteCount, in: &record, at: now)
        paths.frameSent(recordByteCount: job.byteCount, at: now)
        return prepared(job)
    }

    private func prepared(_ job: SealJob) -> PreparedRecord {
        PreparedRecord(job: job, mayWait: paths.liveness?.suspicion == nil)
    }

    /// How to cut a frame that the records of the path in use cannot carry whole.
    mutating func cutFrame(byteCount: Int) -> FrameCut? {
        guard let place = sendingSession, let recordByteCountMax = paths.recordByteCountMax else { return nil }
        return sessions[place].cut(frameByteCount: byteCount, recordByteCountMax: recordByteCountMax)
    }

    /// Prepares the record of the slice whose bytes lie at `Session.sliceOffset` of `record`; `nil`: there is no session.
    mutating func prepare(
        _ slice: FrameSlice, in record: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        slice.writeHeader(to: &record, at: Session.contentOffset)
        let contentByteCount = FrameSlice.headerByteCount + slice.range.count
        return prepare(.frameSlice, contentByteCount: contentByteCount, in: &record, at: now)
    }

    /// Whether the peer joins superframes of a kind, and how long records with their slices may be: not longer than any
    /// path takes while the path in use is in doubt, for copies go by others.
    func superframeRecordByteCountMax(_ kind: SuperframeKinds) -> Int? {
        guard let place = sendingSession,
            SuperframeKinds(rawValue: sessions[place].remoteParameters.superframeKinds).isSuperset(of: kind)
        else { return nil }
        if let byteCount = paths.recordByteCountMax { return byteCount }
        return paths.liveness?.suspicion == nil ? Self.streamRecordByteCountMax : PathSizeSearch.baseByteCount
    }

    /// Records on a connection: long enough that the fixed costs of a record are gone, and short enough that a ping does
    /// not wait behind one for long.
    static let streamRecordByteCountMax = 16 * 1024

    /// The number for a superframe that is about to be cut; `nil` when there is no session.
    mutating func nextSuperframeNumber() -> UInt8? {
        guard let place = sendingSession else { return nil }
        return sessions[place].nextSuperframeNumber()
    }

    /// Prepares the records of a superframe's slices in `records`; `nil`: there is no session.
    mutating func prepare(
        _ cut: SuperframeCut, slices: Range<Int>, in records: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        guard let place = sendingSession else { return nil }
        let job = sessions[place].prepare(cut, slices: slices, in: &records, at: now)
        for index in slices { paths.frameSent(recordByteCount: cut.recordByteCount(index), at: now) }
        return prepared(job)
    }

    /// Handshakes of either side that are kept, completed ones included.
    var handshakeCount: Int { responders.count + (initiator == nil ? 0 : 1) }

    /// Whether a handshake is under way.
    var isHandshaking: Bool { initiator != nil || responders.contains { !$0.isCompleted } }
}
