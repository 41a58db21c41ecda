internal import MeshBase
internal import MeshDataPlane
internal import MeshEthernet
internal import MeshLinux
internal import MeshProtocol
internal import MeshWire

/// Superframes on their way to peers that join them: cut into slices, of which all records are prepared at once.
extension NodeDaemon {
    /// How many segments of a superframe go in a record to a peer; `nil` when it does not join them, or the path's records
    /// are too short for one.
    func segmentsPerRecord(of local: LocalFrame, to peer: PeerIndex) -> Int? {
        let kind: SuperframeKinds = local.headers.transport == .tcp ? .tcp : .udp
        guard let most = node.superframeRecordByteCountMax(of: peer, kind) else { return nil }
        let room = most - Session.superframeOverheadByteCount - local.headers.byteCount
        return room >= local.segmentByteCount ? room / local.segmentByteCount : nil
    }

    /// Sends a superframe in slices.
    func sendSuperframe(
        _ frame: RawSpan, _ local: LocalFrame, _ segmentsPerRecord: Int, to peer: PeerIndex, at now: Instant
    ) {
        guard let route = route(to: peer, at: now), let number = node.nextSuperframeNumber(of: peer) else { return }
        let superframe = SlicedSuperframe(frame, local, number: number, segmentsPerRecord: segmentsPerRecord)
        var first = 0
        while first < superframe.cut.count {
            guard let sentCount = sendSlices(from: first, of: superframe, to: peer, by: route, at: now) else {
                return lose("no_session", peer)
            }
            first += sentCount
        }
        peers[peer].sentFrame(byteCount: frame.byteCount)
    }

    /// Sends the slice at `first`, and those behind it that are made with it: several where they lie together, as a packet loop's
    /// datagrams do. Returns how many; `nil`: there is no session.
    private func sendSlices(
        from first: Int, of superframe: borrowing SlicedSuperframe, to peer: PeerIndex, by route: Route, at now: Instant
    ) -> Int? {
        if case .datagrams(_, isRefused: false) = route.way, let turn {
            return appendSlices(from: first, of: superframe, turn, to: peer, by: route, at: now)
        }
        let cut = superframe.cut
        let isSealed = sendRecord(
            superframe.headers, superframe.payload(first), at: Session.superframeHeadersOffset, to: peer, by: route,
            at: now
        ) { node, record in node.prepareSuperframe(cut, slices: first..<first + 1, to: peer, in: &record, at: now) }
        return isSealed ? 1 : nil
    }

    private func appendSlices(
        from first: Int, of superframe: borrowing SlicedSuperframe, _ turn: LoopTurn, to peer: PeerIndex,
        by route: Route, at now: Instant
    ) -> Int? {
        let cut = superframe.cut
        var waiting: PreparedRecord?
        let added = turn.segments.append(
            upTo: cut.count - first, byteCount: cut.recordByteCount(first),
            lastByteCount: cut.recordByteCount(cut.count - 1)
        ) { count, records in
            let slices = first..<first + count
            guard let prepared = node.prepareSuperframe(cut, slices: slices, to: peer, in: &records, at: now) else {
                return false
            }
            if turn.sealsLater, prepared.mayWait, route.second == nil {
                waiting = prepared
                return true
            }
            superframe.store(slices, in: &records)
            seal(slices, of: cut, prepared, in: &records, to: peer, by: route, at: now)
            return true
        }
        guard let added else { return nil }
        if let waiting {
            // SAFETY: both lie in the turn's `TapInput` (`sealsLater`), which is filled again after the turn.
            unsafe turn.seals.append(
                waiting.job, at: added.offset, contentOffset: Session.superframeHeadersOffset, superframe.headers,
                superframe.payload(first..<first + added.count), bodyByteCount: cut.slicePayloadByteCount)
        }
        return added.count
    }

    /// Seals records of a superframe at once, and sends copies of them where the path is in doubt.
    private func seal(
        _ slices: Range<Int>, of cut: SuperframeCut, _ prepared: PreparedRecord, in records: inout MutableRawSpan,
        to peer: PeerIndex, by route: Route, at now: Instant
    ) {
        var offset = 0
        for (place, index) in slices.enumerated() {
            let byteCount = cut.recordByteCount(index)
            var record = records._mutatingExtracting(offset..<offset + byteCount)
            _ = node.seal(prepared.following(place, byteCount: byteCount), to: peer, in: &record, at: now)
            if let second = route.second { appendCopy(of: record.bytes, to: second, at: now) }
            offset += byteCount
        }
    }
}

/// A superframe of the TAP, and how it is cut.
private struct SlicedSuperframe: ~Escapable {
    let cut: SuperframeCut
    let headers: RawSpan
    private let payload: RawSpan

    @_lifetime(copy frame)
    init(_ frame: RawSpan, _ local: LocalFrame, number: UInt8, segmentsPerRecord: Int) {
        headers = frame.extracting(0..<local.headers.byteCount)
        payload = frame.extracting(local.payload(of: frame, first: 0, count: local.segmentCount))
        cut = SuperframeCut(
            number: number, headerByteCount: headers.byteCount, payloadByteCount: payload.byteCount,
            segmentByteCount: local.segmentByteCount, segmentCount: local.segmentCount,
            segmentsPerRecord: segmentsPerRecord)
    }

    /// What the slice at `index` carries.
    @_lifetime(copy self)
    func payload(_ index: Int) -> RawSpan { payload.extracting(cut.payload(index)) }

    /// What `slices`, one at least, carry together.
    @_lifetime(copy self)
    func payload(_ slices: Range<Int>) -> RawSpan {
        payload.extracting(cut.payload(slices.lowerBound).lowerBound..<cut.payload(slices.upperBound - 1).upperBound)
    }

    /// Copies headers and payload of `slices` into their `records`, which lie back to back.
    func store(_ slices: Range<Int>, in records: inout MutableRawSpan) {
        var offset = 0
        for index in slices {
            let byteCount = cut.recordByteCount(index)
            var record = records._mutatingExtracting(offset..<offset + byteCount)
            record.store(headers, payload(index), at: Session.superframeHeadersOffset)
            offset += byteCount
        }
    }
}
