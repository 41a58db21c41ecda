import Glibc
import MeshBase
import MeshTransport
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(2))) struct WebSocketTests {
    /// A message of `count` bytes that differ.
    private func message(_ count: Int, on connection: WebSocketConnection) -> ByteBuffer {
        var buffer = connection.makeMessageBuffer(capacity: count)
        for index in 0..<count { buffer.writeInteger(UInt8(truncatingIfNeeded: index &* 31 &+ count)) }
        return buffer
    }

    @Test func everySizeComesBackUnchanged() async throws {
        try await withLab { lab in
            let client = Recorder()
            let connection = try await WebSocketClient().connect(
                to: lab.url, on: lab.loop, handlers: client.handlers()
            ).get()
            let sizes = [0, 1, 2, 3, 4, 7, 8, 9, 125, 126, 127, 1_400, 16_384, 65_535, 65_536, 200_000]
            try await lab.loop.submit {
                for size in sizes {
                    connection.send(message(size, on: connection))
                    // Without headroom, and shared: the slow way must give the same bytes.
                    let shared = message(size, on: connection)
                    connection.send(ByteBuffer(bytes: shared.readableBytesView))
                    connection.send(shared)
                    #expect(shared == message(size, on: connection))
                }
                connection.flush()
            }.get()
            let messages = try await client.wait(for: "all echoes") { $0.messages.count == sizes.count * 3 }.messages
            for (index, received) in messages.enumerated() {
                #expect(received == message(sizes[index / 3], on: connection))
            }
            try await lab.loop.submit { connection.close() }.get()
            #expect(try await client.closeReason() == .local)
            #expect(try await lab.recorder.closeReason() == .remote(code: 1000, text: ""))
        }
    }

    @Test func theClientSeesTheHashOfTheServersKey() async throws {
        try await withLab { lab in
            let client = Recorder()
            let connection = try await WebSocketClient().connect(
                to: lab.url, on: lab.loop, handlers: client.handlers()
            ).get()
            #expect(connection.peerSPKIHash == testTLS.spkiHash)
            #expect(testTLS.spkiHash.count == 32)
            #expect(connection.remoteEndpoint == lab.server.endpoints[0])
            let accepted = try await lab.recorder.connection()
            #expect(accepted.peerSPKIHash == nil)
            #expect(accepted.remoteEndpoint == connection.localEndpoint)
        }
    }

    @Test func aNameIsResolvedAndAllItsAddressesAreTried() async throws {
        try await withLab { lab in
            let url = try RelayURL("wss://localhost:\(lab.server.port)")
            let connection = try await WebSocketClient().connect(
                to: url, on: lab.loop, handlers: Recorder().handlers()
            ).get()
            #expect(connection.remoteEndpoint == lab.server.endpoints[0])
        }
    }

    @Test func aPeerThatDoesNotReadStopsTheSenderAndNothingIsLost() async throws {
        let serverLoop = MultiThreadedEventLoopGroup.singleton.next()
        let received = Watched(0)
        let server = try await WebSocketServer.listen(
            on: [loopback], tls: testTLS, eventLoop: serverLoop,
            handlers: WebSocketHandlers(
                connected: { $0.pauseReading() },
                received: { _, message in
                    let count = message.readableBytes
                    received.update { $0 += count }
                })
        ).get()
        let lab = Lab(loop: serverLoop, server: server, recorder: Recorder())
        let client = Recorder()
        let connection = try await lab.connect(client)
        let messageByteCount = 10_000
        // The sender's rule: stop when not writable.
        let sent: Int = try await serverLoop.submit {
            var sent = 0
            while connection.isWritable {
                connection.send(message(messageByteCount, on: connection))
                connection.flush()
                sent += messageByteCount
                #expect(connection.bufferedByteCount <= (64 << 10) + 2 * messageByteCount)
                if sent > 64 << 20 { break }
            }
            return sent
        }.get()
        #expect(sent < 64 << 20)
        #expect(client.events.drainedCount == 0)
        try await server.close().get()
        try await serverLoop.submit { connection.close() }.get()
        _ = try await client.closeReason()
    }

    @Test func resumedReadingDrainsTheSender() async throws {
        let accepted = Recorder()
        try await withLab(handlers: { _ in accepted.handlers(onConnected: { $0.pauseReading() }) }) { lab in
            let client = Recorder()
            let connection = try await lab.connect(client)
            let count: Int = try await lab.loop.submit {
                var count = 0
                while connection.isWritable {
                    connection.send(message(30_000, on: connection))
                    connection.flush()
                    count += 1
                }
                return count
            }.get()
            let peer = try await accepted.connection()
            try await lab.loop.submit { peer.resumeReading() }.get()
            try await accepted.wait(for: "all messages") { $0.messages.count == count }
            try await client.wait(for: "the drain") { $0.drainedCount > 0 }
            try await lab.loop.submit {
                #expect(connection.isWritable)
                #expect(connection.bufferedByteCount == 0)
            }.get()
        }
    }

    @Test func anotherCertificateServesTheNextConnections() async throws {
        try await withLab { lab in
            let old = try await lab.connect(Recorder())
            let material = try TLSMaterial.selfSigned(commonName: "relay.test", validDays: 1)
            try await lab.loop.submit { lab.server.replaceTLS(material) }.get()
            let new = try await lab.connect(Recorder())
            #expect(new.peerSPKIHash == material.spkiHash)
            #expect(old.peerSPKIHash != new.peerSPKIHash)
            #expect(try await lab.loop.submit { old.isOpen }.get())
        }
    }

    @Test func connectionsMayShareALocalPortWithEachOtherAndAListener() async throws {
        try await withLab { first in
            try await withLab { second in
                let one = try await first.connect(Recorder())
                var options = WebSocketClient.Options()
                // A port that was just chosen by the system and is now free for this address pair.
                options.localPort = 0
                let chosen = try await first.connect(Recorder(), options: options)
                options.localPort = chosen.localEndpoint.port
                let shared = try await second.connect(Recorder(), options: options)
                #expect(shared.localEndpoint.port == chosen.localEndpoint.port)
                #expect(one.localEndpoint.port != chosen.localEndpoint.port)
                var limits = WebSocketServer.Limits()
                limits.sharesPort = true
                let endpoint = Endpoint(address: loopback.address, port: chosen.localEndpoint.port)
                let listener = try await WebSocketServer.listen(
                    on: [endpoint], tls: testTLS, limits: limits, eventLoop: first.loop, handlers: Recorder().echo()
                ).get()
                #expect(listener.port == chosen.localEndpoint.port)
                try await listener.close().get()
            }
        }
    }

    @Test func aServerThatSaysNothingTimesOutInTLS() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let mute = try await ServerBootstrap(group: loop).bind(host: "127.0.0.1", port: 0).get()
        var options = WebSocketClient.Options()
        options.timeoutMilliseconds = 200
        let url = try RelayURL("wss://127.0.0.1:\(mute.localAddress?.port ?? 0)")
        await #expect(throws: TransportError.timedOut(.tls)) {
            _ = try await WebSocketClient(options: options).connect(to: url, on: loop, handlers: Recorder().handlers())
                .get()
        }
        try await mute.close()
    }

    @Test func aServerWithoutTLSIsNamedAsSuch() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let plain = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Greeter()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let url = try RelayURL("wss://127.0.0.1:\(plain.localAddress?.port ?? 0)")
        let error = await #expect(throws: TransportError.self) {
            _ = try await WebSocketClient().connect(to: url, on: loop, handlers: Recorder().handlers()).get()
        }
        guard case .tlsFailed = error else {
            Issue.record("expected a TLS failure, got \(String(describing: error))")
            return
        }
        try await plain.close()
    }

    @Test func flushingFromEveryHandlerNeverNestsTheCalls() async throws {
        let depth = Watched((now: 0, max: 0, sent: 0))
        let pump: @Sendable (WebSocketConnection) -> Void = { connection in
            depth.update {
                $0.now += 1
                $0.max = max($0.max, $0.now)
            }
            while connection.isWritable, depth.value.sent < 20 << 20 {
                connection.send(message(100_000, on: connection))
                connection.flush()
                depth.update { $0.sent += 100_000 }
            }
            depth.update { $0.now -= 1 }
        }
        try await withLab(handlers: { _ in WebSocketHandlers() }) { lab in
            let handlers = WebSocketHandlers(connected: pump, writabilityChanged: pump, drained: pump)
            let connection = try await WebSocketClient().connect(to: lab.url, on: lab.loop, handlers: handlers).get()
            let seen = try await depth.wait(for: "20 MiB") { $0.sent >= 20 << 20 }
            #expect(seen.max == 1)
            try await lab.loop.submit { connection.close() }.get()
        }
    }

    @Test func aClosedConnectionIsForgotten() async throws {
        final class Weak: Sendable {
            weak let connection: WebSocketConnection?
            init(_ connection: WebSocketConnection) { self.connection = connection }
        }
        let accepted = Watched<[Weak]>([])
        let handlers = WebSocketHandlers(connected: { connection in
            let weak = Weak(connection)
            accepted.update { $0.append(weak) }
        })
        try await withLab(handlers: { _ in handlers }) { lab in
            let opened = try await lab.loop.submit {
                WebSocketClient().connect(to: lab.url, on: lab.loop, handlers: WebSocketHandlers())
                    .map { connection in
                        connection.close()
                        return Weak(connection)
                    }
            }.get().get()
            _ = try await lab.counters { $0.closed.remote == 1 }
            let all = accepted.value + [opened]
            let deadline = NIODeadline.now() + .seconds(20)
            while all.contains(where: { $0.connection != nil }), NIODeadline.now() < deadline {
                try await lab.loop.submit {}.get()
            }
            #expect(all.count == 2)
            #expect(all.allSatisfy { $0.connection == nil })
        }
    }

    @Test func bothAddressFamiliesAreServedOnOnePort() async throws {
        try await withLab { lab in
            let version6 = Endpoint(
                address: try #require(IPAddress(bytes: [UInt8](repeating: 0, count: 15) + [1])), port: 0)
            let server: WebSocketServer
            do {
                server = try await WebSocketServer.listen(
                    on: [version6, loopback], tls: testTLS, eventLoop: lab.loop, handlers: Recorder().echo()
                ).get()
            } catch TransportError.addressNotAvailable {
                print("skipped: this host has no IPv6")
                return
            }
            for endpoint in server.endpoints {
                let connection = try await WebSocketClient().connect(
                    to: RelayURL(server: HostAndPort(endpoint)), on: lab.loop, handlers: WebSocketHandlers()
                ).get()
                #expect(connection.remoteEndpoint == endpoint)
                try await lab.loop.submit { connection.close() }.get()
            }
            try await server.close().get()
        }
    }

    @Test func errorsOfTheSystemBecomeErrorsForPeople() throws {
        let url = try RelayURL("wss://relay.example")
        func connecting(_ code: Int32) -> TransportError {
            TransportError(connecting: IOError(errnoCode: code, reason: "connect"), to: url)
        }
        #expect(connecting(ECONNREFUSED) == .refused("relay.example:443"))
        #expect(connecting(ENETUNREACH) == .unreachable("relay.example:443"))
        #expect(connecting(EHOSTUNREACH) == .unreachable("relay.example:443"))
        #expect(connecting(ETIMEDOUT) == .timedOut(.connecting))
        #expect(TransportError(connecting: ChannelError.connectTimeout(.seconds(1)), to: url) == .timedOut(.connecting))
        func listening(_ code: Int32) -> TransportError {
            TransportError(listening: IOError(errnoCode: code, reason: "bind"), on: loopback)
        }
        #expect(listening(EADDRINUSE) == .portInUse(loopback))
        #expect(listening(EACCES) == .portNotPermitted(loopback))
        #expect(listening(EADDRNOTAVAIL) == .addressNotAvailable(loopback))
    }

    @Test func manyMessagesOfOneReadAreFollowedByOneEnd() async throws {
        try await withLab { lab in
            let client = Recorder()
            let connection = try await lab.connect(client)
            try await lab.loop.submit {
                for index in 0..<500 { connection.send(message(index % 7, on: connection)) }
                connection.flush()
            }.get()
            let events = try await lab.recorder.wait(for: "the messages") { $0.messages.count == 500 }
            let ends = events.count { if case .receivedEnd = $0 { true } else { false } }
            #expect(ends < 50)
            try await client.wait(for: "the echoes") { $0.messages.count == 500 }
        }
    }
}

private final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 mail.example ESMTP\r\n")), promise: nil)
    }

    @Test func aClientLearnsTheRoundTrip() async throws {
        try await withLab { lab in
            let connection = try await lab.connect(Recorder())
            let promise = lab.loop.makePromise(of: UInt64.self)
            let deadline = NIODeadline.now() + .seconds(20)
            lab.loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(5)) { task in
                if let nanoseconds = connection.roundTripNanoseconds {
                    promise.succeed(nanoseconds)
                } else if NIODeadline.now() > deadline {
                    promise.fail(TransportError.timedOut(.connecting))
                } else {
                    return
                }
                task.cancel()
            }
            #expect(try await promise.futureResult.get() > 0)
        }
    }

    @Test func theLimitOfAMessageCanBeRaisedOnAConnectionThatIsOpen() async throws {
        var limits = WebSocketServer.Limits()
        limits.connection.messageByteCountMax = 1_000
        try await withLab(limits: limits) { lab in
            let client = Recorder()
            let connection = try await lab.connect(client)
            let accepted = try await lab.recorder.connection()
            try await lab.loop.submit { accepted.setMessageByteCountMax(5_000) }.get()
            for count in [5_000, 5_001] {
                try await lab.loop.submit {
                    connection.send(ByteBuffer(bytes: [UInt8](repeating: 1, count: count)))
                    connection.flush()
                }.get()
            }
            _ = try await client.closeReason()
            let closed = try await lab.recorder.closeReason()
            #expect(closed == .violation(.messageTooLarge(byteCountMax: 5_000)))
        }
    }
}
