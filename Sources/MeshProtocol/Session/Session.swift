public import MeshBase
package import MeshCrypto
public import MeshWire

/// The shared keys and counters of two nodes. Survives any change of path.
///
///                    ESTABLISHED                 first valid record
///     (handshake) -----------------> unconfirmed -------------------> confirmed ---> replaced or ended
///                                                                       |   ^
///                                       15 s idle, or 2 s unanswered:   |   | anything received
///                                       ping, again every 3 RTT         v   |
///                                                                  unresponsive (after 1 s)
public struct Session: Sendable {
    /// DESIGN section 7: a path is dead when nothing came for this long after a ping.
    static let deadMilliseconds: UInt64 = 1_000
    /// Traffic without any answer is asked about after this long; twice the dead time, so that one-way streams cost
    /// one ping every 2 s.
    static let unansweredMilliseconds: UInt64 = 2_000
    /// Below this a resent ping would only add load.
    static let pingResendMillisecondsMin: UInt64 = 200
    /// With equal intervals both sides would ask at the same moment: the responder lets the initiator begin.
    static let responderWaitsMilliseconds: UInt64 = 1_000
    /// Pings under way; a person's ping sends one a second and waits a few seconds.
    static let pingsMax = 16

    /// The session's name between its two nodes, 16 bytes.
    public let identifier: [UInt8]
    /// Which side of the handshake this node was.
    public let role: SessionSecrets.Role
    /// The index in records to this node.
    public let localIndex: UInt32
    /// The index in records to the peer.
    public let remoteIndex: UInt32
    /// What the peer told this node.
    public let remoteParameters: SessionParameters
    /// When the handshake completed.
    public let establishedAt: Instant

    let remoteIdentity: PublicIdentity
    private let identity: Identity
    private let heartbeatMilliseconds: UInt64
    private var keys: EpochKeys
    private var sendCounter: UInt64 = 0
    private var replay = ReplayWindow()
    private var stream = ControlStream()
    private var rotation: KeyRotation
    private var pings: [(identifier: UInt64, sentAt: Instant)] = []
    private var roundTrip = RoundTripEstimator()
    /// The peer's addresses, when it named others than in its parameters.
    var remoteCandidates: [Candidate]?
    /// The path generation that this node's frames are in.
    private(set) var pathGeneration: UInt8 = 0
    private var generationFrameCount: UInt64 = 0
    var slicedFrameCount: UInt32 = 0
    var superframeCount: UInt8 = 0
    /// Puts the peer's frames in order while it changes its path.
    var order = FrameOrder()
    /// Joins the peer's sliced frames.
    var assembly = FrameAssembly()
    /// What came by which path.
    var arrivals = PathArrivals()
    /// Longest smoothed round trip so far, by any path; `nil` before the first answered ping.
    private(set) var longestRoundTripNanoseconds: UInt64?
    private var unansweredSince: Instant?
    private var liveness = Liveness.alive
    /// Set by a valid record; ESTABLISHED sets it for the initiator.
    private(set) var isConfirmed: Bool
    /// When the last valid record came, or the handshake ended.
    public private(set) var lastReceivedAt: Instant
    /// RESET and NO_SESSION are obeyed once per session.
    var lossReportedAt: Instant?
    var lossWasObeyed = false
    /// A newer session carries the frames: this one only receives what is still under way, or its own pings would keep
    /// it for ever.
    var isReplaced = false

    private enum Liveness: Sendable, Equatable {
        case alive
        case asking(since: Instant, resendAt: Instant)
        case unresponsive
    }

    package init(_ secrets: SessionSecrets, identity: Identity, at now: Instant) throws(CryptoError) {
        identifier = secrets.identifier
        role = secrets.role
        localIndex = secrets.localParameters.sessionIndex
        remoteIndex = secrets.remoteParameters.sessionIndex
        remoteParameters = secrets.remoteParameters
        remoteIdentity = secrets.remoteIdentity
        establishedAt = now
        lastReceivedAt = now
        isConfirmed = secrets.role == .initiator
        self.identity = identity
        let heartbeat = min(
            secrets.localParameters.heartbeatIntervalSeconds, secrets.remoteParameters.heartbeatIntervalSeconds)
        heartbeatMilliseconds =
            UInt64(heartbeat) * 1000 + (secrets.role == .responder ? Self.responderWaitsMilliseconds : 0)
        keys = try EpochKeys(secrets.epoch, role: secrets.role)
        let interval = min(
            secrets.localParameters.keyRotationIntervalSeconds, secrets.remoteParameters.keyRotationIntervalSeconds)
        rotation = KeyRotation(
            role: secrets.role, sessionIdentifier: secrets.identifier, chain: secrets.epoch.chain,
            intervalMilliseconds: UInt64(interval) * 1000, at: now)
    }

    /// The epoch that this node sends in.
    public var epoch: UInt8 { keys.sendEpoch }
    /// Completed rotations of keys.
    public var rotationCount: UInt64 { rotation.count }
    /// Smoothed round-trip time in nanoseconds; `nil` before the first answered ping.
    public var roundTripNanoseconds: UInt64? { roundTrip.smoothedNanoseconds }
    /// Whether the peer has not answered for too long.
    public var isUnresponsive: Bool { liveness == .unresponsive }

    // MARK: - Records

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
        let counter = sendCounter
        writeHeader(kind, to: &record)
        if unansweredSince == nil, Self.asksForAnswer(kind) { unansweredSince = now }
        return SealJob(
            key: keys.sendKey, headerByteCount: RecordHeader.byteCount, contentByteCount: contentByteCount + 1,
            nonceLow: counter)
    }

    /// Prepares the records of a superframe's `slices`, which lie back to back in `records`: writes all but headers and payload
    /// of each. Returns the job of the first; the others' nonces follow on. Allocates nothing.
    mutating func prepare(
        _ cut: SuperframeCut, slices: Range<Int>, in records: inout MutableRawSpan, at now: Instant
    ) -> SealJob {
        let first = sendCounter
        var offset = 0
        for index in slices {
            let byteCount = cut.recordByteCount(index)
            var record = records._mutatingExtracting(offset..<offset + byteCount)
            writeHeader(.superframeSlice, to: &record)
            cut.header(index).writeHeader(to: &record, at: Self.contentOffset)
            offset += byteCount
        }
        if unansweredSince == nil { unansweredSince = now }
        return SealJob(
            key: keys.sendKey, headerByteCount: RecordHeader.byteCount,
            contentByteCount: cut.recordByteCount(slices.lowerBound) - RecordHeader.overheadByteCount, nonceLow: first)
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

    /// Ends the path generation of this node's frames. Returns what the peer has to know of it.
    mutating func endGeneration(isOldPathDead: Bool) -> PathEnd {
        defer {
            pathGeneration &+= 1
            generationFrameCount = 0
        }
        return PathEnd(
            generation: pathGeneration, isOldPathDead: isOldPathDead, frameCount: generationFrameCount)
    }

    /// DESIGN section 7: twice the old path's round trip. A node that never measured one takes it for 500 ms, as long
    /// as a path around the world and a slow relay; more than 2 s are not waited for any path.
    var orderWaitNanoseconds: UInt64 { min(2 * (longestRoundTripNanoseconds ?? 500_000_000), 2_000_000_000) }
    /// When frames that are held have waited long enough.
    var orderDeadline: Instant? { order.deadline(waitNanoseconds: orderWaitNanoseconds) }
    /// Whether the peer was asked for a sign of life and has not answered yet.
    var isAsking: Bool { if case .asking = liveness { true } else { false } }
    /// Another path is tried: the peer has as long again to answer.
    mutating func askAgain(at now: Instant) { liveness = .asking(since: now, resendAt: now) }

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
        lastReceivedAt = now
        unansweredSince = nil
        liveness = .alive
        isConfirmed = true
        lossReportedAt = nil
        guard let kind = ContentKind(rawValue: record.bigEndian(at: RecordHeader.byteCount, as: UInt8.self)) else {
            throw .unknownContent
        }
        return (kind, Self.contentOffset..<RecordHeader.byteCount + byteCount)
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

    // MARK: - Control

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

    // MARK: - Time

    /// When to call `handleTimeout` next.
    var deadline: Instant? {
        [keys.deadline, stream.deadline, isReplaced ? nil : rotation.deadline, livenessDeadline]
            .compactMap(\.self).min()
    }

    private var livenessDeadline: Instant? {
        if isReplaced { return nil }
        switch liveness {
        case .alive:
            let idle = lastReceivedAt.advanced(milliseconds: heartbeatMilliseconds)
            guard let unansweredSince else { return idle }
            return min(idle, unansweredSince.advanced(milliseconds: Self.unansweredMilliseconds))
        case .asking(let since, let resendAt):
            return min(resendAt, since.advanced(milliseconds: Self.deadMilliseconds))
        case .unresponsive: return nil
        }
    }

    /// Does what is due.
    mutating func handleTimeout(at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]) {
        keys.expire(at: now)
        assembly.expire(at: now)
        if let segment = stream.timedOut(at: now) {
            actions.append(.send(sealed(.streamSegment, segment.bytes, at: now)))
        }
        if !isReplaced,
            let work = rotation.start(sendEpoch: keys.sendEpoch, identity: identity, entropy: &entropy, at: now)
        {
            actions.append(.work(work))
        }
        if rotation.isTimedOut(at: now) {
            return actions.append(.ended(.rotationRefused(.timedOut(.rekey))))
        }
        checkLiveness(at: now, entropy: &entropy, actions: &actions)
    }

    private mutating func checkLiveness(
        at now: Instant, entropy: inout EntropySource, actions: inout [SessionAction]
    ) {
        guard let due = livenessDeadline, now >= due else { return }
        var since = now
        if case .asking(let asked, _) = liveness {
            since = asked
            guard now < asked.advanced(milliseconds: Self.deadMilliseconds) else {
                liveness = .unresponsive
                return actions.append(.unresponsive)
            }
        }
        let gap = max(3 * (roundTrip.smoothedNanoseconds ?? 0), Self.pingResendMillisecondsMin * 1_000_000)
        liveness = .asking(since: since, resendAt: now.advanced(nanoseconds: gap))
        ping(entropy.next(), at: now, actions: &actions)
    }
}
