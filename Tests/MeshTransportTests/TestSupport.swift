import MeshBase
import MeshTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

struct DeadlinePassed: Error, CustomStringConvertible {
    var description: String
}

/// A value that a test changes from event loops and waits for, with a deadline.
final class Watched<Value: Sendable>: Sendable {
    private struct Waiter {
        var id: Int
        var condition: @Sendable (Value) -> Bool
        var continuation: CheckedContinuation<Value, any Error>
    }

    private struct State {
        var value: Value
        var waiters: [Waiter] = []
        var lastID = 0
    }

    private let state: Mutex<State>

    init(_ value: Value) { state = Mutex(State(value: value)) }

    var value: Value { state.withLock { $0.value } }

    func update(_ change: @Sendable (inout Value) -> Void) {
        let (value, ready) = state.withLock { state in
            change(&state.value)
            let value = state.value
            let ready = state.waiters.filter { $0.condition(value) }
            state.waiters.removeAll { waiter in ready.contains { $0.id == waiter.id } }
            return (value, ready)
        }
        for waiter in ready { waiter.continuation.resume(returning: value) }
    }

    @discardableResult
    func wait(
        for what: String, seconds: Int64 = 20, _ condition: @escaping @Sendable (Value) -> Bool
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let id: Int? = state.withLock { state in
                if condition(state.value) { return nil }
                state.lastID += 1
                state.waiters.append(Waiter(id: state.lastID, condition: condition, continuation: continuation))
                return state.lastID
            }
            guard let id else { return continuation.resume(returning: value) }
            Task.detached { [self] in
                try? await Task.sleep(for: .seconds(seconds))
                let late = state.withLock { state in
                    let late = state.waiters.first { $0.id == id }
                    state.waiters.removeAll { $0.id == id }
                    return late
                }
                late?.continuation.resume(throwing: DeadlinePassed(description: "waited \(seconds) s for \(what)"))
            }
        }
    }
}

/// Collects what handlers report.
final class Recorder: Sendable {
    enum Event: Sendable {
        case connected(WebSocketConnection)
        case received(WebSocketConnection, ByteBuffer)
        case receivedEnd
        case writabilityChanged(Bool)
        case drained
        case closed(CloseReason)
    }

    private let watched = Watched<[Event]>([])

    func record(_ event: Event) { watched.update { $0.append(event) } }

    var events: [Event] { watched.value }

    /// Waits until `condition` holds of all events so far.
    @discardableResult
    func wait(
        for what: String, _ condition: @escaping @Sendable ([Event]) -> Bool
    ) async throws -> [Event] {
        try await watched.wait(for: what, condition)
    }

    /// Waits for a connection to end and says why.
    func closeReason() async throws -> CloseReason {
        let events = try await wait(for: "the close") { !$0.closeReasons.isEmpty }
        return events.closeReasons[0]
    }

    /// Waits for the first connection.
    func connection() async throws -> WebSocketConnection {
        let events = try await wait(for: "the connection") { !$0.connections.isEmpty }
        return events.connections[0]
    }

    /// Handlers that record everything and first call `onReceived` on a message.
    func handlers(
        onConnected: @escaping @Sendable (WebSocketConnection) -> Void = { _ in },
        onReceived: @escaping @Sendable (WebSocketConnection, ByteBuffer) -> Void = { _, _ in },
        onReceivedEnd: @escaping @Sendable (WebSocketConnection) -> Void = { _ in }
    ) -> WebSocketHandlers {
        WebSocketHandlers(
            connected: { [self] connection in
                onConnected(connection)
                record(.connected(connection))
            },
            received: { [self] connection, message in
                onReceived(connection, message)
                record(.received(connection, message))
            },
            receivedEnd: { [self] connection in
                onReceivedEnd(connection)
                record(.receivedEnd)
            },
            writabilityChanged: { [self] connection in record(.writabilityChanged(connection.isWritable)) },
            drained: { [self] _ in record(.drained) },
            closed: { [self] _, reason in record(.closed(reason)) })
    }

    /// Handlers that send every message back.
    func echo() -> WebSocketHandlers {
        handlers(onReceived: { $0.send($1) }, onReceivedEnd: { $0.flush() })
    }
}

extension [Recorder.Event] {
    var connections: [WebSocketConnection] {
        compactMap { if case .connected(let connection) = $0 { connection } else { nil } }
    }
    var messages: [ByteBuffer] {
        compactMap { if case .received(_, let message) = $0 { message } else { nil } }
    }
    var closeReasons: [CloseReason] {
        compactMap { if case .closed(let reason) = $0 { reason } else { nil } }
    }
    var drainedCount: Int { count { if case .drained = $0 { true } else { false } } }
}

/// A certificate for all tests; making one per test only takes time.
let testTLS: TLSMaterial = {
    do { return try TLSMaterial.selfSigned(commonName: "relay.test", validDays: 30) } catch {
        preconditionFailure("no certificate: \(error)")
    }
}()

let loopback = Endpoint(address: IPAddress(bytes: [127, 0, 0, 1]) ?? unreachableAddress, port: 0)
private var unreachableAddress: IPAddress { preconditionFailure("four bytes are an address") }

/// A server on loopback, both on one event loop, closed at the end of the test.
struct Lab: Sendable {
    let loop: any EventLoop
    let server: WebSocketServer
    let recorder: Recorder

    var url: RelayURL { RelayURL(server: HostAndPort(server.endpoints[0])) }

    func connect(
        _ recorder: Recorder, options: WebSocketClient.Options = .init(), path: String = RelayURL.defaultPath
    ) async throws -> WebSocketConnection {
        let url = RelayURL(server: HostAndPort(server.endpoints[0]), path: path)
        return try await WebSocketClient(options: options).connect(to: url, on: loop, handlers: recorder.handlers())
            .get()
    }

    /// Sends one message and awaits its echo: the server still serves.
    func expectEcho() async throws {
        let recorder = Recorder()
        let connection = try await connect(recorder)
        try await loop.submit {
            connection.send(ByteBuffer(string: "still here"))
            connection.flush()
        }.get()
        let messages = try await recorder.wait(for: "an echo") { !$0.messages.isEmpty }.messages
        #expect(messages == [ByteBuffer(string: "still here")])
        try await loop.submit { connection.close() }.get()
        _ = try await recorder.closeReason()
    }

    func counters() async throws -> WebSocketCounters {
        try await loop.submit { server.counters }.get()
    }

    /// Waits until the server's counters fulfil a condition; they change on events of the socket only.
    func counters(
        where condition: @escaping @Sendable (WebSocketCounters) -> Bool
    ) async throws -> WebSocketCounters {
        let promise = loop.makePromise(of: WebSocketCounters.self)
        let server = server
        let deadline = NIODeadline.now() + .seconds(20)
        loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(5)) { task in
            let counters = server.counters
            if condition(counters) {
                task.cancel()
                promise.succeed(counters)
            } else if NIODeadline.now() > deadline {
                task.cancel()
                promise.fail(DeadlinePassed(description: "counters stay \(counters)"))
            }
        }
        return try await promise.futureResult.get()
    }
}

/// Runs `body` with a server that echoes, or behaves as `handlers` says.
func withLab(
    limits: WebSocketServer.Limits = .init(), handlers: ((Recorder) -> WebSocketHandlers)? = nil,
    admits: @escaping @Sendable (Endpoint) -> Admission = { _ in .admit },
    http: @escaping @Sendable (String, String) -> HTTPAnswer = { _, _ in .notFound },
    _ body: (Lab) async throws -> Void
) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let recorder = Recorder()
    let server = try await WebSocketServer.listen(
        on: [loopback], tls: testTLS, limits: limits, eventLoop: loop,
        handlers: handlers?(recorder) ?? recorder.echo(), admits: admits, http: http
    ).get()
    do {
        try await body(Lab(loop: loop, server: server, recorder: recorder))
    } catch {
        try? await server.close().get()
        throw error
    }
    try await server.close().get()
}
