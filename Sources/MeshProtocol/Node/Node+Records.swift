public import MeshBase
internal import MeshCrypto
public import MeshWire

extension Node {
    /// What opens a record without this node, for `open` to go by; `nil` when that is to be left to `open`: there is no key
    /// for it. Changes nothing, and is `mutating` as `carriers(of:)` is.
    public mutating func openingKey(of record: RawSpan) -> OpeningKey? {
        guard let header = try? RecordHeader(parsing: record),
            let index = context.indices.owner(of: header.receiverIndex)
        else { return nil }
        return peers[index].openingKey(of: header)
    }

    /// Opens a record in place, unless `opening` says what that gave. Throws `RecordRefusal`, which is counted.
    ///
    /// - Returns: the peer, and the place of its frame or slice of a superframe (`kind` says which) in `record`; `nil` when
    ///   the record was control or its frame has to wait. Call `takeReleasedFrames` next, unless `isAlone`: then the frame
    ///   set no other free.
    public mutating func open(
        _ record: inout MutableRawSpan, opening: RecordOpening? = nil, by carrier: CarrierID, at now: Instant,
        actions: inout [NodeAction]
    ) throws(RecordRefusal) -> (peer: PeerIndex, frame: Range<Int>, kind: ContentKind, isAlone: Bool)? {
        do throws(RecordRefusal) {
            guard let opened = try openCounted(&record, opening: opening, by: carrier, at: now, actions: &actions)
            else { return nil }
            return (opened.peer, opened.frame, opened.kind, context.released.isEmpty)
        } catch {
            recordRefusals[error, default: 0] += 1
            throw error
        }
    }

    /// Enters the records of a run in the books, all at once, when they are newer than all before, came by the path that the peer
    /// and this node use, and nothing but their delivery follows from them. Allocates nothing.
    ///
    /// - Returns: the peer, whose frames `OpenedRun.content(of:)` shows may be delivered at once; `nil`: nothing was changed, and
    ///   each record is to be given to `open`.
    public mutating func take(_ run: OpenedRun, by carrier: CarrierID, at now: Instant) -> PeerIndex? {
        guard context.released.isEmpty, let index = context.indices.owner(of: run.header.receiverIndex),
            peers[index].take(run, by: carrier, at: now)
        else { return nil }
        peerDeadlines.touch(index)
        return index
    }

    private mutating func openCounted(
        _ record: inout MutableRawSpan, opening: RecordOpening?, by carrier: CarrierID, at now: Instant,
        actions: inout [NodeAction]
    ) throws(RecordRefusal) -> (peer: PeerIndex, frame: Range<Int>, kind: ContentKind)? {
        let header: RecordHeader
        do throws(WireError) { header = try RecordHeader(parsing: record.bytes) } catch { throw .malformed }
        guard let index = context.indices.owner(of: header.receiverIndex) else {
            reportLoss(of: header.receiverIndex, by: carrier, at: now, actions: &actions)
            throw .unknownSession
        }
        // A stranger's connection may turn out to be the peer's: the record's tag tells.
        guard peers[index].owns(carrier) || peer(by: carrier) == index || isUnclaimed(carrier) else {
            throw .wrongCarrier
        }
        var out: [PeerAction] = []
        peerDeadlines.touch(index)
        let frame = try peers[index].open(
            &record, opening: opening, header: header, by: carrier, context: &context, at: now, actions: &out)
        if !untrusted.isEmpty, case .direct(let connection) = carrier { trust(connection, actions: &actions) }
        if frame == nil || !out.isEmpty {
            settle(index, &out, at: now, actions: &actions)
            settleRelays(at: now, actions: &actions)
        }
        return frame.map { (index, $0.content, $0.kind) }
    }

    /// Whether it is a connection of which nothing is known yet.
    private func isUnclaimed(_ carrier: CarrierID) -> Bool {
        guard case .direct(let connection) = carrier, case .some(.none) = directPeers[connection] else { return false }
        return true
    }

    /// Tells the sender of a record that its session is unknown here: rate-limited, and smaller than the record.
    mutating func reportLoss(
        of sessionIndex: UInt32, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) {
        guard let index = peer(by: carrier) else { return }
        // Whoever dialled and said to be the peer takes nothing of what the peer itself needs.
        let isProven = carrier.isRelay || peers[index].owns(carrier)
        guard isProven ? peers[index].mayReportLoss(at: now) : lossBucket.take(at: now) else { return }
        switch carrier {
        case .relay: actions.append(.send(carrier, NoSession(sessionIndex: sessionIndex).bytes))
        case .direct, .udp:
            let reset = SessionReset(
                sessionIndex: sessionIndex, token: context.identity.resetToken(for: sessionIndex))
            actions.append(.send(carrier, reset.bytes))
        }
    }

    /// Seals the frame of `byteCount` bytes that lies at `Session.contentOffset` of `record`, in place.
    ///
    /// - Returns: the record's byte count; `nil` when there is no session with the peer. Allocates nothing, unless the
    ///   path is in doubt and no other has shown itself alive: then a copy is kept. Call `takeKeptFrame` after anything
    ///   that happened.
    public mutating func sealFrame(
        to peer: PeerIndex, byteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> Int? {
        guard let prepared = prepareFrame(to: peer, byteCount: byteCount, in: &record, at: now) else { return nil }
        return seal(prepared, to: peer, in: &record, at: now)
    }

    /// All of `sealFrame` but the sealing, which whoever sends the record may do if `PreparedRecord.mayWait`; then the
    /// records of a peer go out in this order, before the next one that `handleTimeout` asks to send there. `seal` does the
    /// rest at once.
    ///
    /// - Returns: `nil` when there is no session with the peer. Allocates nothing.
    public mutating func prepareFrame(
        to peer: PeerIndex, byteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        peerDeadlines.touch(peer)
        return peers[peer].prepareFrame(byteCount: byteCount, in: &record, at: now)
    }

    /// Seals what lies in `record` as one of `prepareFrame`, `prepareSlice` and `prepareSuperframe` left it.
    ///
    /// - Returns: the record's byte count.
    public mutating func seal(
        _ prepared: PreparedRecord, to peer: PeerIndex, in record: inout MutableRawSpan, at now: Instant
    ) -> Int {
        prepared.job.seal(&record)
        peers[peer].keep(record.bytes.extracting(0..<prepared.byteCount), context: &context, at: now)
        return prepared.byteCount
    }

    /// The carriers of a peer's records now: `first` for all, as `carrier(of:)`, and `second` for copies, as
    /// `secondCarrier(of:)`.
    ///
    /// Changes nothing, as `superframeRecordByteCountMax` and `hasKeptFrames`, and is `mutating` all the same: Swift copies a
    /// class's property for a call that only reads, and a node holds a hundred references. Each frame asks.
    public mutating func carriers(of peer: PeerIndex) -> (first: CarrierID?, second: CarrierID?) {
        peers[peer].carriers()
    }

    /// Whether frames are kept for any peer.
    public var hasKeptFrames: Bool { mutating get { context.keptByteCount > 0 } }

    /// The carrier for a peer's kept frames; `nil` when there is none, or nothing is kept.
    public func keptFrameCarrier(of peer: PeerIndex) -> CarrierID? { peers[peer].keptCarrier }

    /// Takes the record of a frame that was kept while its path was in doubt: send it by `keptFrameCarrier`, and ask again,
    /// as long as the carrier takes data.
    public mutating func takeKeptFrame(of peer: PeerIndex, at now: Instant) -> [UInt8]? {
        peerDeadlines.touch(peer)
        return peers[peer].takeKept(context: &context, at: now)
    }

    /// How a frame of `byteCount` bytes has to be cut, because it is larger than the records of the UDP path in use; `nil`
    /// when it goes whole. All slices belong to one carrier: seal and send them before the next event.
    public mutating func cutFrame(to peer: PeerIndex, byteCount: Int) -> FrameCut? {
        peers[peer].cutFrame(byteCount: byteCount)
    }

    /// Seals the slice at `index`, whose bytes lie at `Session.sliceOffset` of `record`, in place.
    ///
    /// - Returns: the record's byte count; `nil` when there is no session with the peer. Allocates nothing.
    public mutating func sealSlice(
        _ index: Int, of cut: FrameCut, to peer: PeerIndex, in record: inout MutableRawSpan, at now: Instant
    ) -> Int? {
        guard let prepared = prepareSlice(index, of: cut, to: peer, in: &record, at: now) else { return nil }
        return seal(prepared, to: peer, in: &record, at: now)
    }

    /// `sealSlice` in two steps, as `prepareFrame`.
    public mutating func prepareSlice(
        _ index: Int, of cut: FrameCut, to peer: PeerIndex, in record: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        peerDeadlines.touch(peer)
        return peers[peer].prepare(cut.slice(index), in: &record, at: now)
    }

    /// Bytes of the longest record with a slice of a superframe that goes to the peer now; `nil` when it does not join
    /// superframes of this kind.
    public mutating func superframeRecordByteCountMax(of peer: PeerIndex, _ kind: SuperframeKinds) -> Int? {
        peers[peer].superframeRecordByteCountMax(kind)
    }

    /// The number for a superframe to the peer that is about to be cut; `nil` when there is no session.
    public mutating func nextSuperframeNumber(of peer: PeerIndex) -> UInt8? { peers[peer].nextSuperframeNumber() }

    /// Prepares the records of a superframe's `slices`, which lie back to back in `records`, as `prepareFrame`: headers and
    /// payload of each belong at `Session.superframeHeadersOffset` of it.
    ///
    /// - Returns: the first of them; the others follow it (`PreparedRecord.following`).
    public mutating func prepareSuperframe(
        _ cut: SuperframeCut, slices: Range<Int>, to peer: PeerIndex, in records: inout MutableRawSpan, at now: Instant
    ) -> PreparedRecord? {
        peerDeadlines.touch(peer)
        return peers[peer].prepare(cut, slices: slices, in: &records, at: now)
    }

    /// Sends a ping to the peer. Returns `false` when there is no session or no carrier.
    public mutating func ping(
        _ peer: PeerIndex, identifier: UInt64, at now: Instant, actions: inout [NodeAction]
    ) -> Bool {
        var sent = false
        run(peer, at: now, actions: &actions) { machine, context, out in
            sent = machine.ping(identifier, context: &context, at: now, actions: &out)
        }
        return sent
    }

    /// Tells all peers that this node goes away.
    public mutating func shutDown(at now: Instant, actions: inout [NodeAction]) {
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.close(context: &context, at: now, actions: &out)
            }
        }
    }
}
