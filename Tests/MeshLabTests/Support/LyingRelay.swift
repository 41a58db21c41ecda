import MeshBase
import MeshCrypto
import MeshLinux
import MeshProtocol
import MeshTransport
import MeshWire
import NIOCore
import NIOPosix
import Synchronization

/// A relay that proves its identity and introduces its clients as it should, but tampers with what it forwards.
actor LyingRelay {
    /// What it does to a message between two nodes.
    enum Lie: Sendable, CaseIterable {
        /// Says that it comes from another client.
        case swapsSources
        /// Sends it again later, twice.
        case replays
        /// Changes one bit of each message of a handshake.
        case altersHandshakes
        /// Changes one bit of each record.
        case altersRecords
        /// Loses CHALLENGE.
        case dropsChallenges
        /// Repeats the HELLO that a CHALLENGE answers a thousand times, and reads no more of who sent it.
        case asksAndNeverReads
    }

    private struct Forwarded {
        var route: RelaySwitch.Route
        var bytes: [UInt8]
    }

    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe eventLoop.executor.asUnownedSerialExecutor() }
    nonisolated let id: PeerID

    private let lie: Lie
    private let group: MultiThreadedEventLoopGroup
    private let tls: TLSMaterial
    private var core: RelaySwitch
    private var connections: [UInt64: WebSocketConnection] = [:]
    private var opened: [RelaySwitch.Route] = []
    private var history: [Forwarded] = []
    /// The last HELLO to each connection.
    private var hellos: [UInt64: Forwarded] = [:]

    init(lie: Lie, group: MultiThreadedEventLoopGroup) throws {
        self.lie = lie
        self.group = group
        eventLoop = group.next()
        tls = try TLSMaterial.selfSigned(commonName: "liar", validDays: 1)
        var entropy = EntropySource.system
        let identity = try Identity(entropy: &entropy)
        id = identity.id
        let statement = try RelayKeyStatement(
            identity: identity, keyHash: tls.spkiHash, nowSeconds: BootClock.wallClockSeconds())
        core = RelaySwitch(
            id: identity.id, statement: statement, admission: .open, limits: .init(), stunPort: 0, entropy: .system)
    }

    /// Listens at an address; the threads of `group` must be in its namespace.
    func listen(_ endpoint: Endpoint) async throws {
        _ = try await WebSocketServer.listen(
            on: [endpoint], tls: tls, eventLoop: eventLoop,
            handlers: WebSocketHandlers(
                connected: { connection in self.assumeIsolated { $0.connected(connection) } },
                received: { connection, message in self.assumeIsolated { $0.received(message, from: connection) } },
                closed: { connection, _ in self.assumeIsolated { $0.closed(connection) } })
        ).get()
    }

    private func connected(_ connection: WebSocketConnection) {
        connections[connection.id] = connection
        drive { core, now, actions in
            core.connected(connection.id, from: connection.remoteEndpoint, at: now, actions: &actions)
        }
    }

    private func closed(_ connection: WebSocketConnection) {
        connections[connection.id] = nil
        opened.removeAll { $0.connection == connection.id }
        history.removeAll { $0.route.connection == connection.id }
        drive { core, _, actions in core.closed(connection.id, actions: &actions) }
    }

    private func received(_ message: ByteBuffer, from connection: WebSocketConnection) {
        var message = message
        while let count = message.readInteger(as: UInt16.self), let channel = message.readInteger(as: UInt32.self),
            let bytes = message.readBytes(length: Int(count))
        {
            if channel == CarrierItem.controlChannel {
                drive { core, now, actions in
                    core.received(bytes.span.rawBytes, from: connection.id, at: now, actions: &actions)
                }
            } else if let route = try? core.route(
                from: connection.id, channel: channel, byteCount: bytes.count, at: BootClock.now())
            {
                let message = Forwarded(route: route, bytes: bytes)
                if lie == .asksAndNeverReads { ask(message, from: connection) }
                for forwarded in told(message) {
                    send(forwarded.bytes, channel: forwarded.route.channel, to: forwarded.route.connection)
                }
            }
        }
    }

    private func ask(_ message: Forwarded, from connection: WebSocketConnection) {
        if message.bytes[0] == MessageKind.hello.rawValue { hellos[message.route.connection] = message }
        guard message.bytes[0] == MessageKind.challenge.rawValue, let hello = hellos.removeValue(forKey: connection.id)
        else { return }
        connection.pauseReading()
        for _ in 0..<1_000 { send(hello.bytes, channel: hello.route.channel, to: connection.id) }
    }

    /// What it makes of a message.
    private func told(_ message: Forwarded) -> [Forwarded] {
        let isRecord = message.bytes[0] == MessageKind.record.rawValue
        var message = message
        switch lie {
        case .swapsSources:
            let others = opened.filter {
                $0.connection == message.route.connection && $0.channel != message.route.channel
            }
            // With one channel only there is nobody to take for the sender: nothing passes then.
            guard let other = others.first else { return [] }
            message.route = other
        case .replays:
            // The last few hundred, each again while it is fresh and once more when it is old.
            history.append(message)
            let old = history.count > 200 ? [history.removeFirst()] : []
            return [message, message] + old
        case .altersHandshakes where !isRecord, .altersRecords where isRecord:
            message.bytes[message.bytes.count / 2] ^= 0x10
        case .dropsChallenges where message.bytes[0] == MessageKind.challenge.rawValue: return []
        case .altersHandshakes, .altersRecords, .dropsChallenges, .asksAndNeverReads: break
        }
        return [message]
    }

    private func send(_ bytes: [UInt8], channel: UInt32, to connection: UInt64) {
        guard let target = connections[connection] else { return }
        var buffer = target.makeMessageBuffer(capacity: bytes.count + CarrierItem.relayHeaderByteCount)
        buffer.writeBytes(CarrierItem.relayItem(channel: channel, payload: bytes))
        target.send(buffer)
        target.flush()
    }

    private func drive(_ body: (inout RelaySwitch, Instant, inout [RelaySwitch.Action]) -> Void) {
        var actions: [RelaySwitch.Action] = []
        body(&core, BootClock.now(), &actions)
        for action in actions {
            switch action {
            case .send(let connection, let bytes):
                send(bytes, channel: CarrierItem.controlChannel, to: connection)
                if case .channelOpened(let channel, let peer)? = try? RelayMessage(parsing: bytes.span.rawBytes) {
                    opened.append(.init(connection: connection, channel: channel, peer: peer))
                }
            case .close(let connection): connections[connection]?.close()
            case .work(let ticket, let work):
                let result = work.run()
                drive { core, now, actions in core.performed(ticket, result, at: now, actions: &actions) }
            case .admitted: break
            }
        }
    }
}
