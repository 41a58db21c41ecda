import MeshControl
import Testing

/// Direct WebSockets of nodes whose networks drop UDP.
extension LabTests.DirectPathTests {
    private static let dropsUDP = [
        "add table inet cut", "add chain inet cut in { type filter hook input priority 0; }",
        "add chain inet cut out { type filter hook output priority 0; }",
        "add rule inet cut in meta l4proto udp drop", "add rule inet cut out meta l4proto udp drop",
    ]

    /// A network that lets out nothing but TCP to port 443; the overlay goes through the node's own TAP.
    private static let only443 = [
        "add table inet cut", "add chain inet cut in { type filter hook input priority 0; policy drop; }",
        "add chain inet cut out { type filter hook output priority 0; policy drop; }",
        "add rule inet cut in ct state established,related accept", "add rule inet cut in iifname != wan0 accept",
        "add rule inet cut out tcp dport 443 accept", "add rule inet cut out oifname != wan0 accept",
    ]

    /// Relay and two nodes, of which those in `blocked` have these rules before they start.
    private func mesh(blocked: [String], rules: [String], more: String = "") throws -> MeshLab {
        let lab = try MeshLab(["relay", "a", "b"])
        do {
            let relayID = try lab.identity("relay")
            let ids = ["a": try lab.identity("a"), "b": try lab.identity("b")]
            for site in blocked {
                try lab.filter(site, rules)
            }
            _ = try lab.relay("relay")
            for (site, other) in [("a", "b"), ("b", "a")] {
                let peer = MeshLab.Peer(name: other, id: try #require(ids[other]))
                let extra = site == "b" ? more : ""
                try lab.configure(
                    site, relays: [("relay", relayID)], peers: [peer], more: "mode: auto\n\(extra)")
                _ = try lab.up(site)
            }
            try lab.waitEstablished("a", "b")
            return lab
        } catch {
            lab.close()
            throw error
        }
    }

    @Test(arguments: [["a"], ["a", "b"]])
    func twoNodesWithoutUDPMeetByTCPAndMoveToUDPWhenTheyCan(blocked: [String]) throws {
        let lab = try mesh(blocked: blocked, rules: Self.dropsUDP)
        defer { lab.close() }
        let stream = try lab.ping(from: "a", to: "b")
        try lab.waitPath("a", "b", beginsWith: "wss ")
        #expect(try lab.control("a", "ping b -c 1").output.contains("wss "))
        let handshakes = try lab.run("a", "grep -c 'session established' \(lab.directory)/a.log").output
        #expect(handshakes.hasPrefix("1"), "\(handshakes)")
        for site in blocked { try lab.filter(site, "delete table inet cut") }
        try lab.waitPath("a", "b", beginsWith: "udp", seconds: 90)
        try lab.wait("the connection is closed") {
            try lab.run("a", "ss -Htn state established dst \(lab.address("b"))").output.isEmpty
        }
        for site in blocked { try lab.filter(site, Self.dropsUDP) }
        try lab.wait("a and b have left UDP") {
            try ["a", "b"].allSatisfy { try lab.status($0)?.peers.first?.path?.hasPrefix("udp") == false }
        }
        try lab.waitPath("a", "b", beginsWith: "wss ")
        let gap = try lab.longestGap(stream)
        print("relay, wss, udp, cut, wss: \(gap) s without an answer")
        #expect(gap < 2)
    }

    @Test func whereOnlyPort443IsLetOutTheRelayServes() throws {
        let lab = try mesh(blocked: ["a"], rules: Self.only443)
        defer { lab.close() }
        _ = try lab.ping(from: "a", to: "b")
        try lab.wait("the attempts have failed", seconds: 30) { lab.log("a").contains("no connection to the peer") }
        try lab.waitPath("a", "b", beginsWith: "relay")
        let paths = try #require(try lab.status("a")?.peers.first?.paths)
        #expect(paths.candidates.contains { $0.transport == "wss" && $0.state == "unanswered" })
        #expect(paths.lastFailure?.contains("no connection to the peer") == true)
    }

    @Test func whereOnlyPort443IsLetOutAPeerThatListensThereIsReachedDirectly() throws {
        // Site b is the third of the lab.
        let lab = try mesh(blocked: ["a"], rules: Self.only443, more: "listen_address: 10.77.0.3:443")
        defer { lab.close() }
        _ = try lab.ping(from: "a", to: "b")
        try lab.waitPath("a", "b", beginsWith: "wss ")
        #expect(try lab.status("a")?.peers.first?.path == "wss \(lab.address("b")):443")
    }
}
