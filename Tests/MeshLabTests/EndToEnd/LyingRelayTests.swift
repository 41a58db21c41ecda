import Glibc
import MeshBase
import MeshControl
import MeshLinux
import NIOCore
import NIOPosix
import Testing

extension LabTests.LyingRelayTests {
    /// Three nodes that all know each other, on a relay that lies.
    private func lab(_ lie: LyingRelay.Lie, _ body: (MeshLab) throws -> Void) async throws {
        let nodes = ["a", "b", "c"]
        let lab = try MeshLab(["relay"] + nodes)
        defer { lab.close() }
        // Threads are made in the namespace of the thread that makes them.
        let group = try inNetworkNamespace("/run/netns/\(lab.namespace("relay"))") {
            MultiThreadedEventLoopGroup(numberOfThreads: 1)
        }
        defer { group.shutdownGracefully { _ in } }
        let relay = try LyingRelay(lie: lie, group: group)
        try await relay.listen(try #require(Endpoint(text: "\(lab.address("relay")):443")))
        let ids = try nodes.map { try lab.identity($0) }
        for node in nodes {
            let peers = zip(nodes, ids).filter { $0.0 != node }.map { MeshLab.Peer(name: $0.0, id: $0.1) }
            try lab.configure(node, relays: [("relay", "\(relay.id)")], peers: peers)
        }
        let daemons = try nodes.map { try lab.up($0) }
        try body(lab)
        for daemon in daemons { #expect(try shell("test -d /proc/\(daemon.pid)").status == 0, "\(daemon.label) ended") }
    }

    private func counter(_ lab: MeshLab, _ site: String, _ name: String) throws -> UInt64 {
        try lab.status(site)?.counters[name] ?? 0
    }

    @Test func aSwappedSourceGivesNoSession() async throws {
        try await lab(.swapsSources) { lab in
            try lab.wait("the lie is counted") { try counter(lab, "a", "hello_wrong_source") > 0 }
            try lab.wait("the reason is shown", seconds: 25) {
                try lab.status("a")?.peers.allSatisfy { $0.lastError != nil } == true
            }
            for peer in try #require(try lab.status("a")).peers {
                print("swapped source: \(peer.state) \(peer.lastError ?? "")")
                #expect(peer.session == nil)
            }
        }
    }

    @Test func replayedMessagesAreCountedAndHarmNothing() async throws {
        try await lab(.replays) { lab in
            try lab.waitEstablished("a", "b", "c")
            let session = try #require(try lab.status("a")?.peers.first?.session?.id)
            let ping = try lab.run("a", "ping -c 50 -i 0.05 -W 2 \(lab.overlay("b"))")
            #expect(ping.output.contains(" 0% packet loss") && !ping.output.contains("DUP"), "\(ping.output)")
            #expect(try counter(lab, "b", "record_replayed") > 40)
            // Long enough for the old handshake messages to come again.
            let more = try lab.run("a", "ping -q -c 300 -i 0.01 -W 2 \(lab.overlay("b"))")
            #expect(more.output.contains(" 0% packet loss") && !more.output.contains("duplicates"), "\(more.output)")
            #expect(try lab.status("a")?.peers.first?.session?.id == session)
        }
    }

    @Test(arguments: [LyingRelay.Lie.altersHandshakes, .dropsChallenges])
    func aHandshakeThatIsTamperedWithGivesNoSessionAndAReason(lie: LyingRelay.Lie) async throws {
        try await lab(lie) { lab in
            try lab.wait("the reason is shown", seconds: 25) {
                try lab.status("a")?.peers.allSatisfy { $0.lastError != nil } == true
            }
            let status = try #require(try lab.status("a"))
            for peer in status.peers {
                print("\(lie): \(peer.state) \(peer.lastError ?? "")")
                #expect(peer.session == nil)
            }
            print("\(lie): \(status.counters)")
            #expect(try lab.run("a", "ping -c 2 -i 0.2 -W 1 \(lab.overlay("b"))").status != 0)
        }
    }

    @Test func whoAsksAndNeverReadsGetsNoMoreAnswersThanABoundedNumber() async throws {
        try await lab(.asksAndNeverReads) { lab in
            try lab.wait("answers are dropped") {
                try ["a", "b", "c"].contains { try counter(lab, $0, "control_dropped") > 0 }
            }
        }
    }

    @Test func alteredRecordsAreRefusedAndCounted() async throws {
        try await lab(.altersRecords) { lab in
            try lab.wait("records were refused") {
                try lab.run("a", "ping -c 1 -W 1 \(lab.overlay("b"))")
                let names = ["record_bad_tag", "record_unknown_session", "record_unknown_epoch", "record_malformed"]
                // Which of the two sends first depends on whose ID is lower.
                return try names.contains { try counter(lab, "a", $0) + counter(lab, "b", $0) > 0 }
            }
            #expect(try lab.status("b")?.tap.traffic.sentFrames == 0)
        }
    }
}
