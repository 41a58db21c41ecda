public import MeshBase
internal import MeshCrypto
public import MeshWire

/// Records on their way out and in.
extension Session {
    /// Offset of the content behind header and kind byte.
    public static let contentOffset = RecordHeader.byteCount + 1
    /// Bytes that a record adds to a frame.
    public static let frameOverheadByteCount = contentOffset + SuiteSizes.tagByteCount
    /// The longest Ethernet frame whose record fits an item, in bytes.
    public static let frameByteCountMax = CarrierItem.payloadByteCountMax - frameOverheadByteCount

    /// Seals in place: `contentByteCount` bytes lie at `contentOffset` of `record`, with room for the tag behind.
    ///
    /// - Returns: the record's byte count. Allocates nothing.
    public mutating func seal(
        _ kind: ContentKind, contentByteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> Int {
        let job = prepare(kind, contentByteCount: contentByteCount, in: &record, at: now)
        job.seal(&record)
        return job.byteCount
    }

    /// All of `seal` but the sealing itself. Allocates nothing.
    mutating func prepare(
        _ kind: ContentKind, contentByteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> SealJob {
        let job = nextJob(byteCount: Self.frameOverheadByteCount + contentByteCount)
        if Self.asksForAnswer(kind) { asked(at: now) }
        writeHeader(kind, to: &record)
        return job
    }

    /// Prepares the records of a superframe's `slices`, which lie back to back in `records`: writes all but headers and payload
    /// of each. Returns the job of the first; the others' nonces follow on. Allocates nothing.
    mutating func prepare(
        _ cut: SuperframeCut, slices: Range<Int>, in records: inout MutableRawSpan, at now: Instant
    ) -> SealJob {
        let job = nextJob(byteCount: cut.recordByteCount(slices.lowerBound))
        asked(at: now)
        var offset = 0
        for index in slices {
            let byteCount = cut.recordByteCount(index)
            var record = records._mutatingExtracting(offset..<offset + byteCount)
            writeHeader(.superframeSlice, to: &record)
            cut.header(index).writeHeader(to: &record, at: Self.contentOffset)
            offset += byteCount
        }
        return job
    }

    /// Seals the record that is prepared next, of `byteCount` bytes.
    private func nextJob(byteCount: Int) -> SealJob {
        SealJob(
            key: keys.sendKey, headerByteCount: RecordHeader.byteCount,
            contentByteCount: byteCount - RecordHeader.overheadByteCount, nonceLow: sendCounter)
    }

    /// What goes out asks for an answer.
    private mutating func asked(at now: Instant) {
        if unansweredSince == nil { unansweredSince = now }
    }

    /// Writes header and kind byte of the next record, and counts it.
    private mutating func writeHeader(_ kind: ContentKind, to record: inout MutableRawSpan) {
        let header = RecordHeader(
            epoch: keys.sendEpoch, pathGeneration: pathGeneration, receiverIndex: remoteIndex, counter: sendCounter)
        header.write(to: &record)
        record.storeBytes(of: kind.rawValue, toByteOffset: RecordHeader.byteCount, as: UInt8.self)
        sendCounter += 1
        if kind.isFrame { generationFrameCount += 1 }
    }

    /// An answer asks for none; if it did, two idle nodes would ping each other for ever. A path's own records say
    /// nothing about the session.
    private static func asksForAnswer(_ kind: ContentKind) -> Bool {
        switch kind {
        case .frame, .frameSlice, .superframeSlice, .streamSegment, .ping: true
        case .pong, .streamAcknowledgement, .pathEnd, .pathChallenge, .pathAnswer, .poll, .pollAnswer: false
        }
    }

    /// What opens a record with `header` without this session; `nil` when there is no key for it.
    func openingKey(of header: RecordHeader) -> OpeningKey? {
        guard header.lane == 0 else { return nil }
        return keys.receivingKey(for: header.epoch).map { OpeningKey(key: $0) }
    }

    /// Opens in place, unless `opening` says what that gave. Throws `RecordRefusal`.
    ///
    /// - Returns: the content's kind, and its place behind the kind byte. Allocates nothing.
    public mutating func open(
        _ record: inout MutableRawSpan, opening: RecordOpening? = nil, header: RecordHeader, at now: Instant,
        rotated: inout Bool
    ) throws(RecordRefusal) -> (kind: ContentKind, content: Range<Int>) {
        guard header.lane == 0 else { throw .unknownLane }
        // The epoch's number may have come round again since the key was looked up: what another key left is void.
        guard let opening = opening ?? openingKey(of: header)?.open(&record),
            keys.opens(header.epoch, keyNumber: opening.keyNumber)
        else { throw .unknownEpoch }
        guard let byteCount = opening.contentByteCount else { throw .badTag }
        guard replay.insert(header.counter) else { throw .replayed }
        rotated = keys.received(in: header.epoch, at: now)
        if rotated { rotation.responderMovedOn(at: now) }
        isConfirmed = true
        heard(at: now)
        guard let kind = ContentKind(rawValue: record.bigEndian(at: RecordHeader.byteCount, as: UInt8.self)) else {
            throw .unknownContent
        }
        return (kind, Self.contentOffset..<RecordHeader.byteCount + byteCount)
    }

    /// Takes all records of a run at once, if `open` and the order of frames would take each of them and change nothing else with
    /// it. Returns `false`, and has changed nothing, otherwise. Allocates nothing.
    mutating func take(_ run: OpenedRun, by carrier: CarrierID, at now: Instant) -> Bool {
        // A path is in use once a record was opened: the session is confirmed.
        guard run.header.lane == 0, keys.isCurrent(run.header.epoch, keyNumber: run.keyNumber),
            order.isInOrder(run.header.pathGeneration), arrivals.isInUse(carrier), replay.insert(newer: run.counters)
        else { return false }
        order.noteDelivered(run.count, at: now)
        arrivals.note(run)
        heard(at: now)
        return true
    }

    /// The peer is there.
    private mutating func heard(at now: Instant) {
        lastReceivedAt = now
        unansweredSince = nil
        liveness = .alive
        lossReportedAt = nil
    }

    /// A record with `content` behind the kind byte.
    mutating func sealed(_ kind: ContentKind, _ content: [UInt8], at now: Instant) -> [UInt8] {
        var record = [UInt8](repeating: 0, count: Self.frameOverheadByteCount + content.count)
        record.replaceSubrange(Self.contentOffset..<Self.contentOffset + content.count, with: content)
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        _ = seal(kind, contentByteCount: content.count, in: &span, at: now)
        return record
    }
}
