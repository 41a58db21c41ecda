internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// A relay's switch with up to eight clients, and a model of the channels that it told them of.
struct RelayHarness {
    private enum Operation: UInt8, CaseIterable {
        case timeout, connect, close, message, proof, verified, name, forget, closeChannel, route, drain
    }

    private static let clientsMax = 8
    private static let ids: [PeerID] = (0..<6).compactMap { PeerID(bytes: [UInt8](repeating: $0, count: 32)) }
    private static let statement: RelayKeyStatement? = {
        var entropy = EntropySource.seeded(0x5317C4)
        guard let identity = try? Identity(entropy: &entropy) else { return nil }
        return try? RelayKeyStatement(
            identity: identity, keyHash: NodeStages.keyHash, nowSeconds: 1_800_000_000)
    }()

    private var core: RelaySwitch
    private var now = Instant.zero
    private var slots: [Int: UInt64] = [:]
    private var nextConnection: UInt64 = 1
    private var channels: [UInt64: [UInt32: PeerID]] = [:]
    private var tickets: [WorkTicket] = []
    private var outcome = Outcome()

    private init(_ statement: RelayKeyStatement, _ options: UInt8) {
        var limits = RelaySwitch.Limits()
        limits.clientsMax = Self.clientsMax
        limits.peersPerClientMax = 4
        limits.verificationsMax = 3
        limits.payloadByteCountMax = 2_000
        if options & 1 != 0 { limits.bytesPerSecondMax = 1_000 }
        let admission: RelaySwitch.Admission =
            options & 2 == 0 ? .open : options & 4 == 0 ? .token([1]) : .allowList(Set(Self.ids.prefix(2)))
        core = RelaySwitch(
            id: WireSamples.id, statement: statement, admission: admission, limits: limits, stunPort: 3478,
            entropy: .seeded(1))
    }

    /// The first byte chooses admission and limits, the rest is a script.
    static func run(_ bytes: [UInt8]) -> Outcome {
        guard let first = bytes.first, let statement else { return Outcome() }
        var harness = RelayHarness(statement, first)
        for step in ScriptStep.parse(bytes.dropFirst()) { harness.step(step) }
        return harness.outcome
    }

    /// Two clients that meet; six that all name each other; one that is refused; messages out of place.
    static var seeds: [[UInt8]] {
        func join(_ slots: ClosedRange<UInt8>) -> [ScriptStep] {
            slots.flatMap { slot in
                [
                    ScriptStep(operation: 1, argument: slot), ScriptStep(operation: 4, argument: slot),
                    ScriptStep(operation: 5, argument: slot << 1),
                ]
            }
        }
        let meet = [
            ScriptStep(operation: 6, argument: 0, bytes: [0b10]), ScriptStep(operation: 6, argument: 1, bytes: [0b01]),
            ScriptStep(operation: 9, argument: 0, bytes: [0, 0, 0, 1, 5, 0]),
            ScriptStep(operation: 8, argument: 1, bytes: [0, 0, 0, 1]), ScriptStep(operation: 2, argument: 0),
        ]
        let all = (0...5).map { ScriptStep(operation: 6, argument: $0, bytes: [0xFF]) }
        let replaced = [
            ScriptStep(operation: 1, argument: 6), ScriptStep(operation: 4, argument: 6),
            ScriptStep(operation: 5, argument: 0), ScriptStep(operation: 7, argument: 1, bytes: [0b01]),
        ]
        let raw = WireSamples.relayMessages.dropFirst(2).map { ScriptStep(operation: 3, bytes: $0.bytes) }
        let scripts: [(UInt8, [ScriptStep])] = [
            (0, join(0...1) + meet), (1, join(0...5) + all + replaced + meet),
            (2, join(0...1)), (6, join(0...0) + [ScriptStep(operation: 10)]),
            (0, [ScriptStep(operation: 1), ScriptStep(operation: 0, argument: 255)] + join(0...0) + raw),
        ]
        return scripts.map { [$0] + $1.flatMap(\.encoded) }
    }

    private mutating func step(_ step: ScriptStep) {
        let operations = Operation.allCases
        let operation = operations[Int(step.operation) % operations.count]
        outcome.note("\(operation)")
        var actions: [RelaySwitch.Action] = []
        perform(operation, step, actions: &actions)
        for action in actions { take(action) }
        check()
    }

    private mutating func perform(
        _ operation: Operation, _ step: ScriptStep, actions: inout [RelaySwitch.Action]
    ) {
        let slot = Int(step.argument) % (Self.clientsMax + 2)
        switch operation {
        case .timeout:
            now = now.advanced(milliseconds: UInt64(step.argument) * 100)
            core.handleTimeout(at: now, actions: &actions)
        case .connect:
            guard slots[slot] == nil else { return }
            slots[slot] = nextConnection
            core.connected(
                nextConnection, from: WireSamples.endpoint(isVersion6: slot & 1 != 0), at: now, actions: &actions)
            nextConnection += 1
        case .close:
            guard let connection = slots.removeValue(forKey: slot) else { return }
            channels.removeValue(forKey: connection)
            core.closed(connection, actions: &actions)
        case .message: send(step.bytes, from: slot, actions: &actions)
        case .proof:
            let proof = RelayProof(
                clientIdentity: WireSamples.pattern(SuiteSizes.publicIdentityByteCount),
                instance: [UInt8](repeating: step.argument, count: RelayProof.instanceByteCount),
                signature: WireSamples.pattern(SuiteSizes.hybridSignatureByteCount), token: [1])
            send(RelayMessage.proof(proof).bytes, from: slot, actions: &actions)
        case .verified:
            guard !tickets.isEmpty else { return }
            let id = Self.ids[Int(step.argument >> 1) % Self.ids.count]
            core.performed(
                tickets.removeFirst(), step.argument & 1 == 0 ? .admitted(id) : .failed(.timedOut(.relay)), at: now,
                actions: &actions)
        case .name: send(RelayMessage.namePeers(ids(step.bytes)).bytes, from: slot, actions: &actions)
        case .forget: send(RelayMessage.forgetPeers(ids(step.bytes)).bytes, from: slot, actions: &actions)
        case .closeChannel:
            send(RelayMessage.channelClosed(channel: number(step.bytes)).bytes, from: slot, actions: &actions)
        case .route: route(step.bytes, from: slot)
        case .drain: core.drain(actions: &actions)
        }
    }

    private func ids(_ bytes: [UInt8]) -> [PeerID] {
        let mask = bytes.first ?? 1
        return Self.ids.indices.filter { mask >> UInt8($0) & 1 != 0 }.map { Self.ids[$0] }
    }

    private func number(_ bytes: [UInt8]) -> UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }

    private mutating func send(_ bytes: [UInt8], from slot: Int, actions: inout [RelaySwitch.Action]) {
        guard let connection = slots[slot] else { return }
        core.received(bytes.span.rawBytes, from: connection, at: now, actions: &actions)
    }

    private mutating func route(_ bytes: [UInt8], from slot: Int) {
        let byteCount = bytes.dropFirst(4).prefix(2).reduce(0) { $0 << 8 | Int($1) }
        do throws(RelaySwitch.Refusal) {
            let route = try core.route(
                from: slots[slot] ?? 0, channel: number(bytes), byteCount: byteCount, at: now)
            precondition(channels[route.connection]?[route.channel] != nil, "routes lead to channels")
            outcome.note("routed")
        } catch { outcome.note(error.rawValue) }
    }

    private mutating func take(_ action: RelaySwitch.Action) {
        switch action {
        case .send(let connection, let bytes):
            guard let message = try? RelayMessage(parsing: bytes.span.rawBytes) else {
                preconditionFailure("the relay sends what parses")
            }
            outcome.note(Int(bytes.first ?? 0))
            if case .channelOpened(let channel, let peer) = message {
                precondition(channels[connection, default: [:]].updateValue(peer, forKey: channel) == nil)
            }
            if case .channelClosed(let channel) = message {
                precondition(channels[connection]?.removeValue(forKey: channel) != nil)
            }
        case .close(let connection):
            channels.removeValue(forKey: connection)
            if let slot = slots.first(where: { $0.value == connection })?.key { slots.removeValue(forKey: slot) }
        case .work(let ticket, _): tickets.append(ticket)
        case .admitted: outcome.note("admitted")
        }
    }

    /// Every channel that a client was told of leads to one that leads back.
    private mutating func check() {
        precondition(core.admittedCount <= core.connectionCount && core.connectionCount <= Self.clientsMax)
        precondition(tickets.count <= 3 && core.pairCount * 2 == channels.values.reduce(0) { $0 + $1.count })
        for (connection, open) in channels {
            precondition(open.count <= 4, "no more channels than peers that may be named")
            for channel in open.keys {
                guard let there = try? core.route(from: connection, channel: channel, byteCount: 0, at: now),
                    let back = try? core.route(
                        from: there.connection, channel: there.channel, byteCount: 0, at: now)
                else { preconditionFailure("a channel that was opened is routed") }
                precondition(back.connection == connection && back.channel == channel, "routes lead back")
            }
        }
        outcome.note(core.deadline == nil ? "idle" : "armed")
    }
}
