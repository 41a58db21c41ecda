import MeshControl
import Testing

@Suite struct StatusTextTests {
    /// A status in which every field is filled.
    static let sample = NodeStatus(
        id: idText(1), version: "0.1.0", uptimeMilliseconds: 3_812_000, mode: "auto", listenAddress: "0.0.0.0:443",
        tap: TapStatus(
            name: "chr-001", mac: "02:00:00:00:00:01", mtu: 1400,
            addresses: ["10.42.0.1/24", "fd42:1234:5678:9abc:def0:1234:5678:9abc/64"],
            traffic: TrafficStatus(sentFrames: 12, sentBytes: 3_400, receivedFrames: 5, receivedBytes: 999)),
        candidates: [CandidateStatus(address: "198.51.100.9:41000", transport: "udp", source: "relay")],
        relays: [
            RelayStatus(
                url: "wss://a-relay-with-a-rather-long-name.frankfurt.example:8443/mesh", id: idText(2),
                state: "connected", sinceMilliseconds: 192_000, rttMicroseconds: 41_234,
                observedAddress: "[2001:db8:1234:5678:9abc:def0:1234:5678]:50123",
                lastError: "connection reset by peer, after which the connection was made again within 0.5 s")
        ],
        peers: [
            PeerStatus(
                id: idText(3), name: "belgium-rpi", state: .established, sinceMilliseconds: 125_000,
                path: "relay wss://a-relay-with-a-rather-long-name.frankfurt.example:8443/mesh",
                rttMicroseconds: 82_100,
                paths: PathStatus(
                    sinceMilliseconds: 61_000, wish: "relay", lossPercent: 1.25, suspicion: "a poll was not answered",
                    suspectMilliseconds: 350, lateFrames: 2, waitsInVain: 1,
                    candidates: [
                        CandidateStatus(
                            address: "[2001:db8:1234:5678:9abc:def0:1234:5678]:50123", transport: "udp",
                            source: "interface", state: "in use", rttMicroseconds: 30_100),
                        CandidateStatus(
                            address: "192.0.2.1:4000", transport: "udp", source: "port mapping", state: "unanswered"),
                        CandidateStatus(
                            address: "192.0.2.1:4001", transport: "wss", source: "relay", state: "unanswered",
                            lastFailure: "connection refused"),
                    ], lastFailure: "no address of the peer answered", nextAttemptMilliseconds: 42_000),
                session: SessionStatus(
                    id: "00112233445566778899aabbccddeeff", ageMilliseconds: 125_000, epoch: 3, rekeys: 3),
                handshake: HandshakeStatus(durationMicroseconds: 93_100, cpuMicroseconds: 4_100, bytes: 17_204),
                traffic: TrafficStatus(
                    sentFrames: 1, sentBytes: 1_234_567, receivedFrames: 2, receivedBytes: 999_949_999_999),
                losses: ["replayed": 2, "not_authentic": 1, "unknown_epoch": 0], lastError: "relay lost for 1.2 s",
                steps: [
                    ConnectionStep(name: "relay connected", microseconds: 41_000),
                    ConnectionStep(name: "HELLO sent", microseconds: 42_000),
                    ConnectionStep(name: "CHALLENGE received", microseconds: 81_500),
                    ConnectionStep(name: "RESPONSE sent", microseconds: 84_000),
                    ConnectionStep(name: "ESTABLISHED received", microseconds: 124_900),
                    ConnectionStep(name: "first frame", microseconds: 1_524_900),
                ]),
            PeerStatus(id: idText(4), state: .unreachable, sinceMilliseconds: 999),
        ],
        pending: [PendingPeer(id: idText(5), from: "wss://relay.example", sinceMilliseconds: 90_061_000, count: 7)],
        counters: ["unknown_peer": 7, "relay_bad_message": 1, "never": 0])

    @Test func everyLineFitsOneHundredColumns() {
        for line in StatusText.text(Self.sample).split(separator: "\n", omittingEmptySubsequences: false) {
            #expect(line.count <= 100, "\(line)")
            #expect(line.last != " ")
        }
    }

    @Test func theTextSaysWhatTheStatusSays() {
        let text = StatusText.text(Self.sample)
        for words in [
            idText(1), "up 1 h 3 min", "listening on 0.0.0.0:443", "chr-001", "MTU 1400", "sent 12 frames (3.4 kB)",
            "received 5 frames (999 B)", "3 min 12 s", "41.2 ms", "belgium-rpi", "established", "2 min 5 s",
            "82.1 ms", "1.2 MB", "999.9 GB", "epoch 3, 3 rekeys", PeerStatus.suiteName,
            "93.1 ms, CPU 4.1 ms, 17204 bytes",
            "HELLO sent 42.0 ms", "first frame 1.5 s", "replayed 2, not_authentic 1", "relay lost for 1.2 s",
            "for 1 min 1 s, rtt 82.1 ms, loss 1.3 %", "a poll was not answered, for 350 ms", "chosen     relay",
            "udp 198.51.100.9:41000",
            "2 frames late, 1 waits in vain", "next attempt in 42 s", "192.0.2.1:4000", "unanswered", "30.1 ms",
            "unreachable", "999 ms", idText(5), "1 d 1 h", "unknown_peer 7, relay_bad_message 1",
        ] {
            let isThere = text.replacing("\n             ", with: " ").contains(words)
            #expect(isThere, "\(words)\n\(text)")
        }
        #expect(!text.contains("never") && !text.contains("unknown_epoch"))
    }

    @Test func anEmptyNodeHasAText() {
        let text = StatusText.text(
            NodeStatus(
                id: idText(1), version: "0", uptimeMilliseconds: 0, mode: "auto",
                tap: TapStatus(name: "t", mac: "m", mtu: 1)))
        #expect(text.contains("no peers are configured") && text.contains("no address"))
        #expect(StatusText.text(PeerListing(), pending: true) == "nobody unknown has asked for a session")
    }

    @Test func namesFromOutsideCannotSpeakToTheTerminal() {
        var status = Self.sample
        status.relays[0].lastError = "bad \u{1B}[2J\u{7}\nnews"
        status.pending[0].from = "\u{202E}x"
        let text = StatusText.text(status)
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        #expect(!text.unicodeScalars.contains("\u{202E}"))
    }

    @Test func jsonHasSortedKeysInSnakeCase() throws {
        let json = try StatusText.json(Self.sample)
        for key in [
            "\"uptime_milliseconds\" : 3812000", "\"rtt_microseconds\"", "\"cpu_microseconds\"", "\"not_authentic\"",
        ] {
            #expect(json.contains(key), "\(key)")
        }
        let keys = [
            "candidates", "counters", "id", "listen_address", "mode", "peers", "pending", "relays", "tap",
            "uptime_milliseconds",
            "version",
        ]
        let top = json.split(separator: "\n").filter { $0.hasPrefix("  \"") }.map { $0.split(separator: "\"")[1] }
        #expect(top.map(String.init) == keys)
    }

    @Test func aPingIsALineAProbe() {
        let probes = [
            PingReport.Probe(path: "relay wss://r", rttMicroseconds: 850),
            .init(path: "wss-direct", rttMicroseconds: nil),
            .init(path: "relay wss://r", rttMicroseconds: 1_250),
        ]
        let report = PingReport(id: idText(1), name: "home", probes: probes)
        #expect(
            StatusText.text(report, firstSequence: 3)
                == "home #3 by relay wss://r: time 850 us\nhome #4 by wss-direct: no answer\n"
                + "home #5 by relay wss://r: time 1.2 ms")
        #expect(StatusText.summary(probes) == "3 sent, 2 answered, least / mean / most 850 us / 1.0 ms / 1.2 ms")
        #expect(StatusText.summary([probes[1]]) == "1 sent, 0 answered")
    }

    @Test func exitStatusesTellTheKindsOfErrorApart() {
        #expect(ExitStatus(ConfigurationError([])) == .configuration)
        #expect(ExitStatus(ControlClientError.broken("")) == .failure)
        #expect(ExitStatus(ControlServerError.alreadyRunning(path: "")) == .failure)
        #expect(ExitStatus(ControlServerError.unknownGroup("")) == .configuration)
    }
}
