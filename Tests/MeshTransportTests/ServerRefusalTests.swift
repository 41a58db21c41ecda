import MeshBase
import MeshTransport
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@Suite(.timeLimit(.minutes(2))) struct ServerRefusalTests {
    @Test(arguments: ["\u{0}\u{1}\u{2}garbage that is no TLS", "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"])
    func bytesThatAreNotTLSEndTheirConnectionOnly(text: String) async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0], tls: nil)
            client.send(text)
            _ = try await client.untilClosed()
            #expect(try await lab.counters { $0.refused.tlsFailed == 1 }.upgraded == 0)
            try await lab.expectEcho()
        }
    }

    @Test func clientsBelowTLS13AreRefused() async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0], tls: .tlsv12)
            #expect(try await client.untilClosed().error?.contains("PROTOCOL_VERSION") == true)
            _ = try await lab.counters { $0.refused.tlsFailed == 1 }
        }
    }

    @Test func aConnectionThatEndsDuringTLSIsNoFailureOfTLS() async throws {
        try await withLab { lab in
            try await RawClient.connect(to: lab.server.endpoints[0], tls: nil).close()
            #expect(try await lab.counters { $0.refused.vanished == 1 }.refused.tlsFailed == 0)
        }
    }

    @Test func aTruncatedRequestIsCountedAndForgotten() async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            _ = try await client.wait(for: "TLS") { $0.isEncrypted }
            client.send("GET /shadowmesh/v1 HT")
            client.close()
            _ = try await lab.counters { $0.refused.vanished + $0.refused.badRequest == 1 }
            #expect(try await lab.loop.submit { lab.server.halfOpenCount }.get() == 0)
            try await lab.expectEcho()
        }
    }

    @Test(arguments: [nil, "", "GET /shadowmesh/v1 HTTP/1.1\r\n"])
    func whoeverDoesNotFinishInTimeIsCutOff(sent: String?) async throws {
        var limits = WebSocketServer.Limits()
        limits.handshakeTimeoutMilliseconds = 200
        try await withLab(limits: limits) { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0], tls: sent == nil ? nil : .tlsv13)
            if let sent { client.send(sent) }
            _ = try await client.untilClosed()
            _ = try await lab.counters { $0.refused.timedOut == 1 }
        }
    }

    @Test func anOversizedRequestHeadIsRefused() async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 20_000))
            _ = try await client.untilClosed()
            _ = try await lab.counters { $0.refused.badRequest == 1 }
            try await lab.expectEcho()
        }
    }

    @Test func wrongPathsGet404() async throws {
        try await withLab { lab in
            await #expect(throws: TransportError.notAWebSocket(status: 404)) {
                _ = try await lab.connect(Recorder(), path: "/elsewhere")
            }
        }
    }

    @Test func aFullServerSaysWhenToComeAgain() async throws {
        try await withLab(admits: { _ in .full(retryAfterSeconds: 7) }) { lab in
            await #expect(throws: TransportError.serverFull(retryAfterSeconds: 7)) {
                _ = try await lab.connect(Recorder())
            }
            _ = try await lab.counters { $0.refused.full == 1 && $0.answeredHTTP == 0 }
        }
    }

    @Test func theHealthPageIsServedOnTheSamePort() async throws {
        try await withLab(http: { method, path in
            method == "GET" && path == "/health" ? HTTPAnswer(text: "ok\n") : .notFound
        }) { lab in
            for (request, status, body) in [
                ("GET /health?x HTTP/1.1\r\nHost: a\r\n\r\n", "200", "\r\n\r\nok\n"),
                ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404", "not found\n"),
                ("POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "405", "only GET is served\n"),
                ("GET /shadowmesh/v1 HTTP/1.1\r\nHost: a\r\n\r\n", "426", "WebSocket connections\n"),
                (RawClient.upgradeRequest(version: "12"), "426", "WebSocket connections\n"),
            ] {
                let client = try await RawClient.connect(to: lab.server.endpoints[0])
                client.send(request)
                let seen = try await client.untilClosed()
                #expect(seen.text.hasPrefix("HTTP/1.1 \(status) "))
                #expect(seen.text.hasSuffix(body))
            }
            _ = try await lab.counters { $0.answeredHTTP == 5 }
        }
    }

    @Test func aSourceHasItsShareOfHalfOpenConnections() async throws {
        var limits = WebSocketServer.Limits()
        limits.halfOpenPerSourceMax = 3
        try await withLab(limits: limits) { lab in
            var idle: [RawClient] = []
            for _ in 0..<3 { idle.append(try await RawClient.connect(to: lab.server.endpoints[0], tls: nil)) }
            _ = try await lab.counters { $0.accepted == 3 }
            let fourth = try await RawClient.connect(to: lab.server.endpoints[0], tls: nil)
            _ = try await fourth.untilClosed()
            _ = try await lab.counters { $0.refused.tooManyFromSource == 1 }
            idle[0].close()
            _ = try await lab.counters { $0.refused.vanished == 1 }
            try await lab.expectEcho()
            for client in idle { client.close() }
        }
    }

    @Test func theOldestOfTooManyHalfOpenConnectionsMakesRoom() async throws {
        var limits = WebSocketServer.Limits()
        limits.halfOpenMax = 2
        try await withLab(limits: limits) { lab in
            let first = try await RawClient.connect(to: lab.server.endpoints[0], tls: nil)
            _ = try await lab.counters { $0.accepted == 1 }
            let second = try await RawClient.connect(to: lab.server.endpoints[0], tls: nil)
            _ = try await lab.counters { $0.accepted == 2 }
            try await lab.expectEcho()
            _ = try await first.untilClosed()
            _ = try await lab.counters { $0.refused.tooManyHalfOpen == 1 }
            #expect(second.channel.isActive)
            second.close()
        }
    }

    @Test func aPortInUseIsNamed() async throws {
        try await withLab { lab in
            let endpoint = lab.server.endpoints[0]
            await #expect(throws: TransportError.portInUse(endpoint)) {
                _ = try await WebSocketServer.listen(
                    on: [loopback, endpoint], tls: testTLS, eventLoop: lab.loop, handlers: Recorder().echo()
                ).get()
            }
        }
    }

    @Test func aServerThatStoppedListeningRefusesAndKeepsItsConnections() async throws {
        try await withLab { lab in
            let recorder = Recorder()
            let connection = try await lab.connect(recorder)
            try await lab.server.close().get()
            // A process that another test forks holds the closed socket for the moment until it executes its program.
            var last: TransportError?
            for _ in 0..<100 where last != .refused("\(lab.url.server)") {
                do { _ = try await lab.connect(Recorder()) } catch let error as TransportError { last = error }
            }
            #expect(last == .refused("\(lab.url.server)"))
            try await lab.loop.submit {
                connection.send(ByteBuffer(string: "x"))
                connection.flush()
            }.get()
            try await recorder.wait(for: "an echo") { $0.messages.count == 1 }
        }
    }
}
