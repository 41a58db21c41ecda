import MeshBase
import MeshControl
import MeshCrypto
import MeshProtocol
import MeshRelayServer
import MeshTransport
import MeshWire
import NIOCore
import NIOPosix
import Testing

/// Real relays on loopback, and clients of theirs.
@Suite(.timeLimit(.minutes(2))) struct RelayServerTests {
    /// A relay that listens, and identities for its clients.
    private struct Bench {
        let relay: RelayServer
        let endpoint: Endpoint
        let loop: any EventLoop
        let identities: [Identity]

        /// A connection of the client with this number.
        func connect(_ client: Int) async throws -> RelayClient {
            try await RelayClient(identities[client], to: endpoint, on: loop)
        }

        /// A client that the relay has welcomed.
        func join(_ client: Int) async throws -> RelayClient {
            let client = try await connect(client)
            try await client.join()
            return client
        }

        /// The value of a line of `/metrics`.
        func metric(_ name: String) async -> UInt64? {
            let page = String(decoding: await relay.answer("GET", "/metrics").body, as: UTF8.self)
            let line = page.split(separator: "\n").first { $0.hasPrefix("shadowmesh_relay_\(name) ") }
            return line.flatMap { $0.split(separator: " ").last }.flatMap { UInt64($0) }
        }
    }

    private static let certificate = Result { try TLSMaterial.selfSigned(commonName: "relay.test", validDays: 1) }

    private func withRelay(
        _ limits: RelayConfiguration.Limits = .init(), _ body: (Bench) async throws -> Void
    ) async throws {
        var entropy = EntropySource.system
        let identities = try (0..<4).map { _ in try Identity(entropy: &entropy) }
        var configuration = RelayConfiguration()
        configuration.listenAddress = Endpoint(address: try #require(IPAddress(bytes: [127, 0, 0, 1])), port: 0)
        configuration.stunAddress = nil
        configuration.limits = limits
        let group = MultiThreadedEventLoopGroup.singleton
        let relay = try RelayServer(
            configuration: configuration, token: [], identity: identities[3], tls: try Self.certificate.get(),
            pool: .singleton, eventLoop: group.next())
        try await relay.start(configuration)
        let bench = Bench(
            relay: relay, endpoint: try #require(await relay.endpoint), loop: group.next(), identities: identities)
        do { try await body(bench) } catch {
            await relay.drain()
            throw error
        }
        await relay.drain()
    }

    /// Sends `from` so much on a channel to a client that does not read that the relay must queue it.
    private func fill(_ channel: UInt32, from client: RelayClient, _ bench: Bench) async throws {
        let record = [MessageKind.record.rawValue] + [UInt8](repeating: 0, count: 30_000)
        for _ in 0..<100 where await bench.metric("dropped_total{reason=\"data_queue_full\"}") == 0 {
            try await client.send(Array(repeating: record, count: 20), channel: channel)
        }
    }

    @Test func connectionsThatProveNothingKeepNoClientOfTheirAddressOut() async throws {
        try await withRelay { bench in
            var idle: [RelayClient] = []
            for _ in 0..<20 { idle.append(try await bench.connect(1)) }
            #expect(try await idle[0].refusal() == .full)
            _ = try await bench.join(0)
            #expect(await bench.metric("clients") == 1)
            #expect(await bench.metric("connections") == 16)
            #expect(await bench.metric("dropped_total{reason=\"too_many_unproven\"}") == 5)
            #expect(await bench.metric("websockets_total") == 21)
        }
    }

    @Test func whoHasProvenNothingMaySendSixteenKiBInAMessageAndNoMore() async throws {
        try await withRelay { bench in
            let stranger = try await bench.connect(1)
            try await stranger.send([[UInt8](repeating: 0, count: 17_000)], channel: 1)
            guard case .remote(code: 1009, _) = try #require(await stranger.end()) else {
                Issue.record("closed for another reason")
                return
            }
            let (client, other) = (try await bench.join(0), try await bench.join(2))
            try await client.send([[UInt8](repeating: 0, count: 17_000)], channel: 1)
            try await client.name(other)
            try await other.name(client)
            _ = try await client.channel(to: other)
        }
    }

    @Test func aFullRelayTurnsConnectionsAway() async throws {
        var limits = RelayConfiguration.Limits()
        limits.clients = 1
        try await withRelay(limits) { bench in
            _ = try await bench.join(0)
            await #expect(throws: TransportError.self) { _ = try await bench.connect(1) }
            #expect(await bench.metric("clients") == 1)
        }
    }

    @Test func onePeersSignallingDoesNotCostASlowClientItsConnection() async throws {
        try await withRelay { bench in
            let (slow, loud, late) = (try await bench.join(0), try await bench.join(1), try await bench.join(2))
            try await slow.name(loud)
            try await slow.name(late)
            try await loud.name(slow)
            let channel = try await loud.channel(to: slow)
            try await slow.setReading(false)
            try await fill(channel, from: loud, bench)
            let hello = [MessageKind.hello.rawValue] + [UInt8](repeating: 0, count: 1_000)
            try await loud.send(Array(repeating: hello, count: 200), channel: channel)
            // The relay handles what one client sends in order: it is through with all that when this channel opens.
            try await late.name(loud)
            try await loud.name(late)
            _ = try await late.channel(to: loud)
            let dropped = try #require(await bench.metric("dropped_total{reason=\"signalling_queue_of_pair_full\"}"))
            #expect(dropped >= 192)
            try await late.name(slow)
            _ = try await late.channel(to: slow)
            try await slow.setReading(true)
            _ = try await slow.channel(to: late)
            #expect(await bench.metric("clients") == 3)
        }
    }

    @Test func aDrainingRelaySaysSoToThoseWhoCome() async throws {
        try await withRelay { bench in
            let (slow, loud) = (try await bench.join(0), try await bench.join(1))
            try await slow.name(loud)
            try await loud.name(slow)
            let channel = try await loud.channel(to: slow)
            try await slow.setReading(false)
            // What waits in a queue keeps the relay up for two seconds.
            try await fill(channel, from: loud, bench)
            async let drained: Void = bench.relay.drain()
            try await loud.wait(for: "word of it") { $0 == .draining ? () : nil }
            let health = await bench.relay.answer("GET", "/health")
            #expect(health.status == 503 && String(decoding: health.body, as: UTF8.self).contains("draining"))
            #expect(try await bench.connect(2).refusal() == .draining)
            await drained
            await #expect(throws: TransportError.self) { _ = try await bench.connect(2) }
        }
    }

    @Test func limitsThatAreReloadedHoldForTheNextClient() async throws {
        try await withRelay { bench in
            #expect(try await bench.connect(0).join().peersMax == 1024)
            var limits = RelayConfiguration.Limits()
            (limits.peersPerClient, limits.frameBytes) = (3, 20_000)
            await bench.relay.apply(limits)
            let welcome = try await bench.connect(1).join()
            #expect(welcome.peersMax == 3 && welcome.payloadByteCountMax == 20_000)
        }
    }
}
