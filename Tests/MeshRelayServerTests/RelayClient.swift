import MeshBase
import MeshCrypto
import MeshProtocol
import MeshTransport
import MeshWire
import NIOCore

/// A client of a relay under test: it records what it is sent, and does only what the test says.
struct RelayClient {
    enum Event: Sendable {
        case message(RelayMessage)
        case payload(channel: UInt32, byteCount: Int)
        case closed(CloseReason)
    }

    struct Ended: Error {
        var what: String
    }

    let connection: WebSocketConnection
    let identity: Identity
    /// Each event is seen by one reader, in order.
    private let events: AsyncStream<Event>

    /// Connects and proves nothing yet.
    init(_ identity: Identity, to endpoint: Endpoint, on loop: any EventLoop) async throws {
        self.identity = identity
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        let handlers = WebSocketHandlers(
            received: { _, message in for event in Self.events(in: message) { sink.yield(event) } },
            closed: { _, reason in
                sink.yield(.closed(reason))
                sink.finish()
            })
        connection = try await WebSocketClient().connect(
            to: RelayURL(server: HostAndPort(endpoint)), on: loop, handlers: handlers
        ).get()
    }

    private static func events(in message: ByteBuffer) -> [Event] {
        var message = message
        var events: [Event] = []
        while let count = message.readInteger(as: UInt16.self), let channel = message.readInteger(as: UInt32.self),
            let bytes = message.readBytes(length: Int(count))
        {
            if channel != CarrierItem.controlChannel {
                events.append(.payload(channel: channel, byteCount: bytes.count))
            } else if let message = try? RelayMessage(parsing: bytes.span.rawBytes) {
                events.append(.message(message))
            }
        }
        return events
    }

    /// Waits for a message that `match` takes; throws when the connection ends first.
    func wait<Value>(for what: String, _ match: (RelayMessage) -> Value?) async throws -> Value {
        for await event in events {
            if case .message(let message) = event, let value = match(message) { return value }
        }
        throw Ended(what: "the connection ended before \(what)")
    }

    /// Waits for the refusal and for the end of the connection.
    func refusal() async throws -> RelayRefusal.Reason {
        let reason = try await wait(for: "a refusal") { message -> RelayRefusal.Reason? in
            if case .refused(let refusal) = message { refusal.reason } else { nil }
        }
        for await _ in events {}
        return reason
    }

    /// Waits until the connection ends; why it did.
    func end() async -> CloseReason? {
        for await event in events { if case .closed(let reason) = event { return reason } }
        return nil
    }

    /// Answers the challenge.
    func prove(instance: UInt8 = 1) async throws {
        let challenge = try await wait(for: "a challenge") { message -> RelayChallenge? in
            if case .challenge(let challenge) = message { challenge } else { nil }
        }
        let instance = [UInt8](repeating: instance, count: 16)
        let transcript = RelayTranscript.client(
            relay: PublicIdentity.id(of: challenge.relayIdentity), keyHash: challenge.keyHash,
            challenge: challenge.challenge, client: identity.id, instance: instance)
        let proof = RelayProof(
            clientIdentity: identity.publicIdentity.bytes, instance: instance,
            signature: try identity.sign(.relayClient, over: transcript))
        try await send(.proof(proof))
    }

    /// Proves its identity and waits until it is welcome.
    @discardableResult
    func join(instance: UInt8 = 1) async throws -> RelayWelcome {
        try await prove(instance: instance)
        return try await wait(for: "a welcome") { message -> RelayWelcome? in
            if case .welcome(let welcome) = message { welcome } else { nil }
        }
    }

    /// Names a peer.
    func name(_ peer: RelayClient) async throws { try await send(.namePeers([peer.identity.id])) }

    /// Waits for the channel to a peer.
    func channel(to peer: RelayClient) async throws -> UInt32 {
        try await wait(for: "a channel") { message -> UInt32? in
            if case .channelOpened(let channel, peer.identity.id) = message { channel } else { nil }
        }
    }

    /// Sends a message to the relay.
    func send(_ message: RelayMessage) async throws {
        try await send([message.bytes], channel: CarrierItem.controlChannel)
    }

    /// Sends payloads, each in a WebSocket message of its own.
    func send(_ payloads: [[UInt8]], channel: UInt32) async throws {
        let connection = connection
        try await connection.eventLoop.submit {
            for payload in payloads {
                connection.send(ByteBuffer(bytes: CarrierItem.relayItem(channel: channel, payload: payload)))
            }
            connection.flush()
        }.get()
    }

    /// Leaves the relay's bytes in the socket, or reads them again.
    func setReading(_ isReading: Bool) async throws {
        let connection = connection
        try await connection.eventLoop.submit {
            if isReading { connection.resumeReading() } else { connection.pauseReading() }
        }.get()
    }
}
