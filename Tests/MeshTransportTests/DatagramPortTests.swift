import Glibc
import MeshBase
import MeshLinux
import MeshTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct DatagramPortTests {
    @Test(arguments: [false, true]) func datagramsOfEverySizeArriveWholeAndInOrder(isVersion6: Bool) async throws {
        let sizes = 1...1_472
        try await withPorts { a, b, inbox in
            let target = try endpoint(isVersion6, port: try #require(isVersion6 ? b.localPortVersion6 : b.localPort))
            let expectedPort = isVersion6 ? a.localPortVersion6 : a.localPort
            for chunk in stride(from: sizes.lowerBound, through: sizes.upperBound, by: 100) {
                let last = min(chunk + 99, sizes.upperBound)
                try await a.eventLoop.submit {
                    for size in chunk...last { a.send(ByteBuffer(bytes: content(size)), to: target) }
                    a.flush()
                }.get()
                try await inbox.wait(for: "datagrams up to \(last) bytes") { $0.count == last }
            }
            for (index, datagram) in inbox.value.enumerated() {
                #expect(datagram.bytes == content(index + 1))
                #expect(datagram.remote.port == expectedPort)
                #expect(datagram.remote.address == target.address)
            }
            #expect(try await a.eventLoop.submit { a.counters.sent }.get() == UInt64(sizes.count))
        }
    }

    @Test func aVersion4AddressMappedIntoVersion6IsSentToAndShownAsVersion4() async throws {
        try await withPorts { a, b, inbox in
            let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1] as [UInt8]
            let target = Endpoint(address: try #require(IPAddress(bytes: mapped)), port: b.localPort)
            try await send([1], from: a, to: target)
            try await inbox.wait(for: "the datagram") { $0.count == 1 }
            #expect(inbox.value[0].remote == Endpoint(address: loopback.address, port: a.localPort))
        }
    }

    @Test func bothFamiliesHaveOnePortAndAPortInUseIsAnError() async throws {
        try await withPorts { a, _, _ in
            #expect(a.localPortVersion4 == a.localPortVersion6)
            var options = DatagramPort.Options()
            options.port = a.localPort
            let error = await #expect(throws: TransportError.self) {
                _ = try await DatagramPort.bind(options, eventLoop: a.eventLoop, handlers: .init()).get()
            }
            #expect(error?.description.contains("in use by another program") == true)
        }
    }

    /// Several threads of a node read one port: each sender's datagrams come by one of the sockets, in order.
    @Test(arguments: [false, true]) func socketsThatShareAPortShareTheSenders(isVersion6: Bool) async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var options = DatagramPort.Options()
        options.isReadElsewhere = true
        options.socketCount = 3
        let port = try await DatagramPort.bind(options, eventLoop: eventLoop, handlers: .init()).get()
        let sockets = try await eventLoop.submit { port.sockets }.get()
        #expect(sockets.count == 3)
        let target = try endpoint(isVersion6, port: try #require(isVersion6 ? port.localPortVersion6 : port.localPort))
        let senders = try (0..<48).map { _ throws in try Sender(isVersion6: isVersion6) }
        for number in 0..<5 as Range<UInt8> {
            for sender in senders {
                var batch = DatagramBatch()
                _ = batch.append([number].span.rawBytes, to: target)
                #expect(sender.socket.send(&batch, refused: { _ in }, tooLong: { _, _ in }) == 1)
            }
        }
        let input = ReceiveBatch()
        var bySocket: [[Endpoint: [UInt8]]] = []
        for pair in sockets {
            let socket = try #require(isVersion6 ? pair.version6 : pair.version4)
            var came: [Endpoint: [UInt8]] = [:]
            repeat {
                _ = input.fill(from: socket, isVersion6: isVersion6)
                for index in 0..<input.messageCount {
                    input.forEachDatagram(of: index) {
                        came[input.sender(of: index), default: []].append($0.bytes.bigEndian(at: 0, as: UInt8.self))
                    }
                }
            } while input.messageCount > 0
            bySocket.append(came)
        }
        #expect(bySocket.allSatisfy { !$0.isEmpty })
        #expect(bySocket.map(\.count).reduce(0, +) == senders.count)
        #expect(bySocket.allSatisfy { $0.values.allSatisfy { $0 == [0, 1, 2, 3, 4] } })
        try await eventLoop.flatSubmit { port.close() }.get()
        // None of them keeps the port.
        options.port = port.localPort
        options.socketCount = 1
        let again = try await DatagramPort.bind(options, eventLoop: eventLoop, handlers: .init()).get()
        try await eventLoop.flatSubmit { again.close() }.get()
    }

    @Test func aClosedPortIsFreeAtOnce() async throws {
        try await withPorts { a, _, _ in
            let closed = try await DatagramPort.bind(eventLoop: a.eventLoop, handlers: .init()).get()
            try await closed.eventLoop.flatSubmit { closed.close() }.get()
            var options = DatagramPort.Options()
            options.port = closed.localPort
            let again = try await DatagramPort.bind(options, eventLoop: a.eventLoop, handlers: .init()).get()
            #expect(again.localPortVersion6 == closed.localPortVersion6)
            try await again.eventLoop.flatSubmit { again.close() }.get()
        }
    }

    @Test func aClosedPortAndWhatTheKernelRefusesHarmNoOther() async throws {
        try await withPorts { a, b, inbox in
            let target = Endpoint(address: loopback.address, port: b.localPort)
            let closed = try await DatagramPort.bind(eventLoop: a.eventLoop, handlers: .init()).get()
            let closedTarget = Endpoint(address: loopback.address, port: closed.localPort)
            let broadcast = Endpoint(address: try #require(IPAddress(bytes: [255, 255, 255, 255])), port: 9)
            let nowhere = Endpoint(address: loopback.address, port: 0)
            try await closed.eventLoop.flatSubmit { closed.close() }.get()
            try await a.eventLoop.submit {
                for _ in 0..<20 {
                    a.send(ByteBuffer(bytes: [0]), to: closedTarget)
                    a.send(ByteBuffer(bytes: [0]), to: broadcast)
                    a.send(ByteBuffer(bytes: [0]), to: nowhere)
                    a.send(ByteBuffer(bytes: [1]), to: target)
                    a.flush()
                }
                a.send(ByteBuffer(repeating: 0, count: DatagramPort.datagramByteCountMax + 1), to: target)
            }.get()
            try await inbox.wait(for: "the datagrams between") { $0.count == 20 }
            let counters = try await a.eventLoop.submit { a.counters }.get()
            #expect(counters.refusedForbidden + counters.refusedUnreachable == 20, "a broadcast is not permitted")
            #expect(counters.refusedOtherwise == 20, "port 0 is none")
            #expect(counters.refusedTooLong == 1)
            #expect(counters.sent == 40)
            #expect(counters.reopened == 0)
        }
    }

    @Test func theAddressIsObservedOnTheSocketThatCarriesTheData() async throws {
        let observed = Watched<[Endpoint]>([])
        let handlers = DatagramHandlers(observed: { endpoint, _ in observed.update { $0.append(endpoint) } })
        try await withPorts(handlers: handlers) { a, b, inbox in
            let server = try await StunServer.listen(on: [loopback], eventLoop: b.eventLoop).get()
            let target = Endpoint(address: loopback.address, port: b.localPort)
            for round in 1...10 {
                try await a.eventLoop.submit {
                    for _ in 0..<10 { a.send(ByteBuffer(bytes: content(1_200)), to: target) }
                    a.observe(server.endpoints[0])
                    a.flush()
                }.get()
                try await observed.wait(for: "the answer") { $0.count == round }
            }
            try await inbox.wait(for: "the data") { $0.count == 100 }
            #expect(observed.value.allSatisfy { $0 == Endpoint(address: loopback.address, port: a.localPort) })
            let counters = try await a.eventLoop.submit { a.counters }.get()
            #expect(counters.stunReceived == 10)
            #expect(counters.received == 0)
            try await server.close().get()
        }
    }

    @Test func anUnansweredServerIsAskedAgainByThePortsOwnTimer() async throws {
        try await withPorts { a, b, _ in
            let silent = Endpoint(address: loopback.address, port: b.localPort)
            try await a.eventLoop.submit { a.observe(silent) }.get()
            let deadline = NIODeadline.now() + .seconds(20)
            var requestCount: UInt64 = 0
            while requestCount < 3, NIODeadline.now() < deadline {
                requestCount = try await b.eventLoop.submit { b.counters.stunReceived }.get()
            }
            #expect(requestCount == 3)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root for network namespaces: run as root"))
    func aDatagramBeyondTheInterfacesMTUIsRefusedAndCountedNotCut() async throws {
        let inbox = Watched<[Received]>([])
        let (a, b) = try await inNewNetworkNamespace { loop in
            try run(
                """
                ip link set lo up; ip link add near type veth peer name far; ip link set far mtu 1300 up
                ip link set near mtu 1300 up; ip address add 198.51.100.1/24 dev near
                ip address add 2001:db8::1/64 dev near nodad
                ip neighbour add 198.51.100.2 lladdr 02:00:00:00:00:02 dev near
                ip neighbour add 2001:db8::2 lladdr 02:00:00:00:00:02 dev near
                """)
            return (
                DatagramPort.bind(eventLoop: loop, handlers: .init()),
                DatagramPort.bind(eventLoop: loop, handlers: inbox.handlers)
            )
        }
        let (portA, portB) = (try await a.get(), try await b.get())
        let loop = portA.eventLoop
        for (text, headerByteCount) in [("198.51.100.2", 28), ("2001:db8::2", 48)] {
            let target = Endpoint(address: try #require(IPAddress(text: text)), port: 9)
            let before = try await loop.submit { portA.counters }.get()
            let after = try await loop.submit {
                portA.send(ByteBuffer(repeating: 0, count: 1_300 - headerByteCount), to: target)
                for extra in 1...3 {
                    portA.send(ByteBuffer(repeating: 0, count: 1_300 - headerByteCount + extra), to: target)
                }
                portA.send(ByteBuffer(repeating: 0, count: 1), to: target)
                portA.flush()
                return portA.counters
            }.get()
            #expect(after.sent - before.sent == 2, "\(text)")
            #expect(after.refusedTooLong - before.refusedTooLong == 3, "\(text)")
        }
        let noRoute = Endpoint(address: try #require(IPAddress(bytes: [203, 0, 113, 1])), port: 9)
        try await send([1], from: portA, to: noRoute)
        #expect(try await loop.submit { portA.counters.refusedUnreachable }.get() == 1)
        try await send([2], from: portA, to: Endpoint(address: loopback.address, port: portB.localPort))
        try await inbox.wait(for: "the datagram after all refusals") { $0.map(\.bytes) == [[2]] }
        try await loop.submit {
            portA.close()
            portB.close()
        }.get()
    }
}

private struct Received: Sendable {
    let remote: Endpoint
    let bytes: [UInt8]
}

extension Watched where Value == [Received] {
    fileprivate var handlers: DatagramHandlers {
        DatagramHandlers(received: { [self] remote, datagram in
            let received = Received(remote: remote, bytes: Array(datagram.readableBytesView))
            update { $0.append(received) }
        })
    }
}

private func content(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) | 0x40 } }

private func endpoint(_ isVersion6: Bool, port: UInt16) throws -> Endpoint {
    let text = isVersion6 ? "::1" : "127.0.0.1"
    return Endpoint(address: try #require(IPAddress(text: text)), port: port)
}

private func send(_ bytes: [UInt8], from port: DatagramPort, to target: Endpoint) async throws {
    try await port.eventLoop.submit {
        port.send(ByteBuffer(bytes: bytes), to: target)
        port.flush()
    }.get()
}

/// Runs `body` with two ports on two event loops; the second one's datagrams are in the inbox.
private func withPorts(
    handlers: DatagramHandlers = .init(),
    _ body: (DatagramPort, DatagramPort, Watched<[Received]>) async throws -> Void
) async throws {
    let inbox = Watched<[Received]>([])
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let a = try await DatagramPort.bind(eventLoop: group.next(), handlers: handlers).get()
    let b = try await DatagramPort.bind(eventLoop: group.next(), handlers: inbox.handlers).get()
    do { try await body(a, b, inbox) } catch {
        try await group.shutdownGracefully()
        throw error
    }
    for port in [a, b] { try await port.eventLoop.flatSubmit { port.close() }.get() }
    try await group.shutdownGracefully()
}

/// Runs `body` on a thread in a new network namespace, where sockets it makes stay.
private func inNewNetworkNamespace<Value: Sendable>(
    _ body: @escaping @Sendable (any EventLoop) throws -> Value
) async throws -> Value {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let result = Mutex<Result<Value, any Error>?>(nil)
    let thread = try OSThread(name: "namespace") {
        let outcome = Result {
            try ThreadNamespace.unshareNetwork()
            return try body(loop)
        }
        result.withLock { $0 = outcome }
    }
    thread.join()
    return try #require(result.withLock { $0 }).get()
}

private func run(_ commands: String) throws {
    for command in commands.split(whereSeparator: { $0 == "\n" || $0 == ";" }) {
        guard unsafe system(String(command)) == 0 else {
            throw DeadlinePassed(description: "the command failed: \(command)")
        }
    }
}

/// A socket that an array may hold.
private final class Sender: Sendable {
    let socket: DatagramSocket

    init(isVersion6: Bool) throws(SystemCallError) {
        socket = try DatagramSocket(isVersion6: isVersion6, port: 0, mark: nil, bufferByteCount: 1 << 16)
    }
}
