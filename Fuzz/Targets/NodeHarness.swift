internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// A node with all that it takes to drive it: time, work under way, and the peer's half of the session.
struct NodeHarness: Sendable {
    /// What a script may ask for.
    enum Operation: UInt8, CaseIterable {
        case timeout, fromRelay, message, record, sealed, work, stream, relayConnected, relayLost, directOpened
        case directClosed, relayStep, ping, shutDown, frame, dialFailed
    }

    /// Signatures and verifications in one run: each takes a millisecond.
    private static let workMax = 3
    private static let nowSeconds: UInt64 = 1_800_000_000
    /// One unit of a time-out's argument.
    private static let stepMilliseconds: UInt64 = 50
    /// A rotation's message on the stream: scripts begin behind none, one, two or three of them.
    private static let rekeyByteCount: UInt64 = 6_296

    /// Slices come last, so that older scripts keep their meaning.
    private static let sealedKinds = ContentKind.allCases.filter { $0 != .frameSlice } + [.frameSlice]

    private(set) var node: Node
    /// The peer's session, to seal what only the peer can.
    var remote: Session?
    private(set) var sent: [(CarrierID, [UInt8])] = []
    private(set) var outcome = Outcome()
    /// The kinds of event that the node told of.
    private(set) var eventNames: Set<String> = []
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var pending: [(WorkTicket, Work)] = []
    private var workCount = 0
    private var streamByteCount: UInt64 = 0
    private var transmission: UInt32 = 1_000_000

    init(_ configuration: Node.Configuration, seed: UInt64) {
        node = Node(configuration, entropy: .seeded(seed), at: now)
    }

    /// Whether work waits to be done.
    var hasWork: Bool { !pending.isEmpty }

    /// Forgets what was counted so far.
    mutating func reset() {
        workCount = 0
        sent = []
        outcome = Outcome()
    }

    /// Does one step, and all that it leads to.
    mutating func step(_ step: ScriptStep) {
        let operations = Operation.allCases
        let operation = operations[Int(step.operation) % operations.count]
        var actions: [NodeAction] = []
        perform(operation, step, actions: &actions)
        outcome.note("\(operation)")
        for action in actions { take(action) }
        check()
    }

    private mutating func perform(_ operation: Operation, _ step: ScriptStep, actions: inout [NodeAction]) {
        let argument = step.argument
        let relay = Int(argument & 1)
        switch operation {
        case .timeout:
            now = now.advanced(milliseconds: UInt64(argument) * Self.stepMilliseconds)
            node.handleTimeout(nowSeconds: Self.nowSeconds, at: now, actions: &actions)
        case .fromRelay: node.receivedFromRelay(relay, step.bytes.span.rawBytes, at: now, actions: &actions)
        case .message: node.received(step.bytes.span.rawBytes, by: carrier(argument), at: now, actions: &actions)
        case .record: open(step.bytes, by: carrier(argument), actions: &actions)
        case .sealed: sealed(argument, step.bytes, actions: &actions)
        case .work: work(actions: &actions)
        case .stream: stream(argument, step.bytes, actions: &actions)
        case .relayConnected:
            node.relayConnected(relay, keyHash: NodeStages.keyHash, nowSeconds: Self.nowSeconds, actions: &actions)
        case .relayLost: node.relayLost(relay, reason: "lost", at: now, actions: &actions)
        case .directOpened:
            node.directOpened(
                UInt64(argument & 3), peer: argument & 4 == 0 ? nil : Int(argument >> 3 & 1),
                nowSeconds: Self.nowSeconds, at: now, actions: &actions)
        case .directClosed: node.directClosed(UInt64(argument & 3), at: now, actions: &actions)
        case .relayStep: relayStep(argument, step.bytes, actions: &actions)
        case .ping:
            _ = node.ping(Int(argument & 1), identifier: UInt64(argument), at: now, actions: &actions)
        case .shutDown: node.shutDown(at: now, actions: &actions)
        case .frame: sealFrame(step.bytes)
        case .dialFailed: node.dialFailed(Int(argument & 1), at: now)
        }
    }

    /// A relay's channel or a direct connection: the low two bits its number, then the relay, then which of both.
    private func carrier(_ argument: UInt8) -> CarrierID {
        argument & 8 == 0
            ? .relay(Int(argument >> 2 & 1), channel: UInt32(argument & 3) + 1) : .direct(UInt64(argument & 3))
    }

    private mutating func open(_ bytes: [UInt8], by carrier: CarrierID, actions: inout [NodeAction]) {
        var record = bytes
        var mutable = record.mutableSpan
        var span = mutable.mutableRawBytes
        do throws(RecordRefusal) {
            guard let opened = try node.open(&span, by: carrier, at: now, actions: &actions) else {
                outcome.note("control")
                return outcome.note(node.takeReleasedFrames().isEmpty ? "nothing released" : "released")
            }
            precondition(opened.frame.lowerBound >= 0 && opened.frame.upperBound <= bytes.count)
            precondition(opened.peer < node.peerCount)
            outcome.note("frame")
        } catch { outcome.note(error.rawValue) }
    }

    /// Content that the peer itself sealed.
    private mutating func sealed(_ argument: UInt8, _ content: [UInt8], actions: inout [NodeAction]) {
        guard remote != nil else { return }
        let kind = Self.sealedKinds[Int(argument & 15) % Self.sealedKinds.count]
        var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + content.count)
        record.replaceSubrange(Session.contentOffset..<Session.contentOffset + content.count, with: content)
        do {
            var mutable = record.mutableSpan
            var span = mutable.mutableRawBytes
            _ = remote?.seal(kind, contentByteCount: content.count, in: &span, at: now)
        }
        open(record, by: .relay(0, channel: 1), actions: &actions)
    }

    /// Bytes of the peer's control stream, cut into segments.
    private mutating func stream(_ argument: UInt8, _ bytes: [UInt8], actions: inout [NodeAction]) {
        var rest = bytes[...]
        let segmentByteCount = argument & 4 == 0 ? StreamSegment.dataByteCountMax : 1 + Int(argument >> 3)
        // Segments of a byte each would make a run slow.
        for _ in 0..<40 where !rest.isEmpty {
            let segment = StreamSegment(
                transmission: transmission, offset: Self.rekeyByteCount * UInt64(argument & 3) + streamByteCount,
                data: Array(rest.prefix(segmentByteCount)))
            rest = rest.dropFirst(segmentByteCount)
            transmission &+= 1
            streamByteCount += UInt64(segment.data.count)
            sealed(1, segment.bytes, actions: &actions)
        }
    }

    private mutating func work(actions: inout [NodeAction]) {
        guard !pending.isEmpty, workCount < Self.workMax else { return }
        workCount += 1
        let (ticket, work) = pending.removeFirst()
        node.performed(ticket, work.run(), processorNanoseconds: 1, at: now, actions: &actions)
    }

    /// What a relay says, spelled by the argument: which message, which channel, which peer.
    private mutating func relayStep(_ argument: UInt8, _ bytes: [UInt8], actions: inout [NodeAction]) {
        let channel = UInt32(argument >> 3 & 3) + 1
        let message: RelayMessage =
            switch argument & 7 {
            case 0: .channelOpened(channel: channel, peer: NodeStages.peerIDs[Int(argument >> 5) % 3])
            case 1: .channelClosed(channel: channel)
            case 2: .draining
            case 3: .replaced(instance: [UInt8](repeating: argument, count: RelayProof.instanceByteCount))
            case 4: .refused(RelayRefusal(reason: .full))
            case 5:
                .welcome(
                    RelayWelcome(
                        observedEndpoint: WireSamples.endpoint(isVersion6: argument & 8 != 0), stunPort: 1,
                        payloadByteCountMax: UInt32(argument), peersMax: UInt16(argument >> 3)))
            case 6: .channelOpened(channel: UInt32(argument) << 24 | UInt32(bytes.count), peer: WireSamples.id)
            default: .namePeers([WireSamples.id])
            }
        node.receivedFromRelay(0, message.bytes.span.rawBytes, at: now, actions: &actions)
    }

    private mutating func sealFrame(_ frame: [UInt8]) {
        var record = [UInt8](repeating: 0, count: Session.frameOverheadByteCount + frame.count)
        var mutable = record.mutableSpan
        var span = mutable.mutableRawBytes
        let count = node.sealFrame(to: 0, byteCount: frame.count, in: &span, at: now)
        precondition(count == nil || count == record.count)
    }

    private mutating func take(_ action: NodeAction) {
        switch action {
        case .send(let carrier, let bytes):
            sent.append((carrier, bytes))
            outcome.note("send \(bytes.first ?? 0)")
        case .work(let ticket, let work):
            pending.append((ticket, work))
            outcome.note("work")
        case .event(let event):
            let name = String("\(event)".prefix { $0 != "(" })
            eventNames.insert(name)
            outcome.note(name)
        case .sendToRelay: outcome.note("sendToRelay")
        case .connectRelay: outcome.note("connectRelay")
        case .closeRelay: outcome.note("closeRelay")
        case .dial: outcome.note("dial")
        case .openConnections: outcome.note("openConnections")
        case .stopOpening: outcome.note("stopOpening")
        case .traversal: outcome.note("traversal")
        case .closeDirect: outcome.note("closeDirect")
        case .trustDirect: outcome.note("trustDirect")
        }
    }

    /// What holds in every state.
    private mutating func check() {
        precondition(node.pendingPeers.count <= 16)
        precondition(pending.count <= 64, "work under way is bounded")
        // Each of two peers: 3 sessions, 1 handshake that it began, 4 that it answers.
        precondition(node.tableCounts.sessionIndices <= 2 * 8, "indices are released")
        for peer in 0..<node.peerCount {
            _ = node.isReachable(peer)
            _ = node.session(of: peer)?.isUnresponsive
            _ = node.carrier(of: peer)
        }
        outcome.note(node.deadline == nil ? "idle" : "armed")
    }
}
