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
        let headers = frame.extracting(0..<local.headers.byteCount)
        let payload = frame.extracting(local.payload(of: frame, first: 0, count: local.segmentCount))
        let cut = SuperframeCut(
            number: number, headerByteCount: headers.byteCount, payloadByteCount: payload.byteCount,
            segmentByteCount: local.segmentByteCount, segmentCount: local.segmentCount,
            segmentsPerRecord: segmentsPerRecord)
        var first = 0
        while first < cut.count {
            let runCount = runCount(of: cut, from: first, by: route)
            let slices = first..<first + (runCount ?? 1)
            let isSealed =
                runCount != nil
                ? appendRun(slices, of: cut, headers, payload, to: peer, by: route, at: now)
                : sendRecord(
                    headers, payload.extracting(cut.payload(first)), at: Session.superframeHeadersOffset, to: peer,
                    by: route, at: now
                ) { node, record in node.prepareSuperframe(cut, slices: slices, to: peer, in: &record, at: now) }
            guard isSealed else { return lose("no_session", peer) }
            first = slices.upperBound
        }
        peers[peer].sentFrame(byteCount: frame.byteCount)
    }

    /// How many records from the slice at `first` on are made at once: several where they lie together, as a packet loop's
    /// datagrams do; `nil` elsewhere.
    private func runCount(of cut: SuperframeCut, from first: Int, by route: Route) -> Int? {
        guard case .datagrams(_, isRefused: false) = route.way, let turn else { return nil }
        return turn.segments.runCount(of: cut.count - first, byteCount: cut.recordByteCount(first))
    }

    /// Adds the datagrams of `slices` to the turn's. Returns whether there was a session.
    private func appendRun(
        _ slices: Range<Int>, of cut: SuperframeCut, _ headers: RawSpan, _ payload: RawSpan, to peer: PeerIndex,
        by route: Route, at now: Instant
    ) -> Bool {
        guard let turn, let last = slices.last else { return true }
        let part = payload.extracting(cut.payload(slices.lowerBound).lowerBound..<cut.payload(last).upperBound)
        var waiting: PreparedRecord?
        let offset = turn.segments.append(
            count: slices.count, byteCount: cut.recordByteCount(slices.lowerBound),
            lastByteCount: cut.recordByteCount(last)
        ) { records in
            guard
                let prepared = node.prepareSuperframe(cut, slices: slices, to: peer, in: &records, at: now)
            else { return false }
            if turn.sealsLater, prepared.mayWait, route.second == nil {
                waiting = prepared
            } else {
                seal(slices, of: cut, prepared, headers, payload, in: &records, to: peer, by: route, at: now)
            }
            return true
        }
        guard let offset else { return false }
        if let waiting {
            // SAFETY: both lie in the turn's `TapInput` (`sealsLater`), which is filled again after the turn.
            unsafe turn.seals.append(
                waiting.job, at: offset, contentOffset: Session.superframeHeadersOffset, headers, part,
                bodyByteCount: cut.slicePayloadByteCount)
        }
        return true
    }

    /// Completes records of a superframe at once, and sends copies of them where the path is in doubt.
    private func seal(
        _ slices: Range<Int>, of cut: SuperframeCut, _ prepared: PreparedRecord, _ headers: RawSpan, _ payload: RawSpan,
        in records: inout MutableRawSpan, to peer: PeerIndex, by route: Route, at now: Instant
    ) {
        var offset = 0
        for (place, index) in slices.enumerated() {
            let byteCount = cut.recordByteCount(index)
            var record = records._mutatingExtracting(offset..<offset + byteCount)
            record.store(headers, payload.extracting(cut.payload(index)), at: Session.superframeHeadersOffset)
            _ = node.seal(prepared.following(place, byteCount: byteCount), to: peer, in: &record, at: now)
            if let second = route.second { appendCopy(of: record.bytes, to: second, at: now) }
            offset += byteCount
        }
    }
}
