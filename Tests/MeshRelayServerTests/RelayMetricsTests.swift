import MeshBase
import MeshCrypto
import MeshProtocol
import MeshRelayServer
import MeshTransport
import Testing

@Suite struct RelayMetricsTests {
    private func page(_ others: RelayMetrics.Others) throws -> String {
        var entropy = EntropySource.seeded(3)
        let identity = try Identity(entropy: &entropy)
        let statement = try RelayKeyStatement(
            identity: identity, keyHash: [UInt8](repeating: 1, count: 32), nowSeconds: 1_800_000_000)
        let core = RelaySwitch(
            id: identity.id, statement: statement, admission: .open, limits: .init(), stunPort: 0, entropy: .seeded(1))
        var metrics = RelayMetrics()
        metrics.drops[.signallingOfPairFull] = 4
        return metrics.text(core: core, others: others)
    }

    @Test func whatTheListenersRefuseIsShownByReason() throws {
        var server = WebSocketCounters()
        (server.accepted, server.upgraded, server.answeredHTTP) = (90, 70, 5)
        (server.refused.tooManyFromSource, server.refused.tlsFailed, server.closed.silent) = (11, 3, 2)
        var stun = StunServer.Counters()
        (stun.answered, stun.rateLimited) = (40, 6)
        let lines = try page(.init(server: server, stun: stun, residentByteCount: 9)).split(separator: "\n")
        for line in [
            "tcp_accepted_total 90", "websockets_total 70", "http_answers_total 5",
            "refused_connections_total{reason=\"too_many_from_source\"} 11",
            "refused_connections_total{reason=\"tls_failed\"} 3", "refused_connections_total{reason=\"full\"} 0",
            "closed_websockets_total{reason=\"silent\"} 2", "stun_requests_total{result=\"answered\"} 40",
            "stun_requests_total{result=\"rate_limited\"} 6", "resident_bytes 9",
            "dropped_total{reason=\"signalling_queue_of_pair_full\"} 4",
            "dropped_total{reason=\"too_many_unproven\"} 0",
        ] {
            #expect(lines.contains("shadowmesh_relay_\(line)"), "\(line)")
        }
    }

    @Test func everySampleHasItsHelpAndTypeOnce() throws {
        let lines = try page(.init(server: .init(), stun: nil, residentByteCount: 0)).split(separator: "\n")
        var described: Set<Substring> = []
        for line in lines {
            let words = line.split(separator: " ")
            guard words[0] == "#" else {
                #expect(described.contains(words[0].prefix { $0 != "{" }), "\(line)")
                #expect(UInt64(words[1]) != nil && words.count == 2, "\(line)")
                continue
            }
            if words[1] == "TYPE" { #expect(described.insert(words[2]).inserted, "\(line)") }
        }
        #expect(described.count == 12 && !lines.contains { $0.contains("stun") })
    }
}
