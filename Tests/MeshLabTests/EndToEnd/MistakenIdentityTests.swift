import Glibc
import MeshBase
import MeshControl
import MeshLinux
import Testing

extension LabTests.MistakenIdentityTests {
    /// A relay and the configuration of one node, whose peer and relay IDs the test chooses.
    private func lonely(
        relayMore: String = "", relayID: String? = nil, nodes: [String] = ["a"], allows: [String] = []
    ) throws -> MeshLab {
        let lab = try MeshLab(["relay"] + nodes)
        do {
            let relay = try lab.identity("relay")
            for node in nodes { _ = try lab.identity(node) }
            var more = relayMore
            if !allows.isEmpty {
                more = "admission:\n  policy: allow_list\n  peers:\n"
                for name in allows { more += "    - \(try lab.identity(name))\n" }
            }
            _ = try lab.relay("relay", more: more)
            let other = try lab.identity("other")
            for node in nodes {
                try lab.configure(
                    node, relays: [("relay", relayID == nil ? relay : other)], peers: [.init(name: "other", id: other)])
                _ = try lab.up(node)
            }
            return lab
        } catch {
            lab.close()
            throw error
        }
    }

    private func expectRelay(_ lab: MeshLab, _ site: String, _ state: String, _ reason: String) throws {
        try lab.wait("\(site) says why the relay refuses") { try lab.status(site)?.relays.first?.lastError != nil }
        let relay = try #require(try lab.status(site)?.relays.first)
        #expect(relay.lastError?.contains(reason) == true, "\(relay)")
        print("relay state: \(relay.state); \(relay.lastError ?? "")")
        #expect([state, "connecting", "proving"].contains(relay.state), "\(relay)")
    }

    @Test func aRelayOfAnotherIdentityIsNotTrusted() throws {
        let lab = try lonely(relayID: "other")
        defer { lab.close() }
        try expectRelay(lab, "a", "not trusted", "identity")
        #expect(try lab.status("a")?.relays.first?.observedAddress == nil)
    }

    @Test func aRelayThatAdmitsOnlyOthersSaysSo() throws {
        let lab = try lonely(allows: ["friend"])
        defer { lab.close() }
        try expectRelay(lab, "a", "refused", "not admitted")
    }

    @Test func aRelayThatWantsATokenSaysSo() throws {
        try shell("mkdir -p /run/shadowmesh-lab && umask 077 && echo secret-token >/run/shadowmesh-lab/token-of-test")
        defer { _ = try? shell("rm -f /run/shadowmesh-lab/token-of-test") }
        let lab = try lonely(
            relayMore: "admission:\n  policy: token\n  token_file: /run/shadowmesh-lab/token-of-test")
        defer { lab.close() }
        try expectRelay(lab, "a", "refused", "token")
    }

    @Test func aFullRelayAnswers503() throws {
        let lab = try lonely(relayMore: "limits:\n  clients: 1")
        defer { lab.close() }
        try lab.wait("the first client is in") { try lab.status("a")?.relays.first?.state == "connected" }
        let code = try lab.run(
            "relay",
            "curl -sk -o /dev/null -w '%{http_code}' --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' "
                + "-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' "
                + "https://\(lab.address("relay"))/shadowmesh/v1")
        #expect(code.output == "503")
        #expect(try lab.status("a")?.relays.first?.state == "connected")
    }

    @Test func aNodeSaysThatTheRelayIsFull() throws {
        let lab = try lonely(relayMore: "limits:\n  clients: 1", nodes: ["a", "b"])
        defer { lab.close() }
        try lab.wait("one is refused") {
            try ["a", "b"].contains { try lab.status($0)?.relays.first?.lastError?.contains("full") == true }
        }
        try lab.wait("one is in") {
            try ["a", "b"].contains { try lab.status($0)?.relays.first?.state == "connected" }
        }
    }

    @Test func aPeerOfAnotherIdentityGetsNoSession() throws {
        let lab = try MeshLab(["a", "b"])
        defer { lab.close() }
        let (a, wrong) = (try lab.identity("a"), try lab.identity("wrong"))
        _ = try lab.identity("b")
        // b has another identity than a was told, and dials a; a is dialled by b and knows nobody of that ID.
        try lab.configure(
            "a", peers: [.init(name: "b", id: wrong, address: "\(lab.address("b")):8443")],
            more: "mode: direct\nlisten_address: \(lab.address("a")):8443")
        try lab.configure(
            "b", peers: [.init(name: "a", id: a, address: "\(lab.address("a")):8443")],
            more: "mode: direct\nlisten_address: \(lab.address("b")):8443")
        _ = try lab.up("a")
        _ = try lab.up("b")
        try lab.wait("a says why", seconds: 25) {
            // Before the other listens, that is the reason.
            try lab.status("a")?.peers.first?.lastError.map { !$0.contains("refused the connection") } == true
        }
        let peer = try #require(try lab.status("a")?.peers.first)
        print("peer of another identity: \(peer.state) \(peer.lastError ?? "")")
        #expect(peer.session == nil)
        #expect(try lab.status("b")?.peers.first?.session == nil)
        try lab.wait("a lists who asked") { try lab.status("a")?.pending.isEmpty == false }
    }

    @Test func theNewestOfTwoHostsWithOneIdentityWinsAndTheOtherSaysSo() throws {
        let lab = try MeshLab(["relay", "a", "b", "clone"])
        defer { lab.close() }
        let relay = try lab.identity("relay")
        let (a, b) = (try lab.identity("a"), try lab.identity("b"))
        _ = try lab.relay("relay")
        try shell("cp -p \(lab.directory)/a.identity \(lab.directory)/clone.identity")
        try lab.configure("a", relays: [("relay", relay)], peers: [.init(name: "b", id: b)])
        try lab.configure("b", relays: [("relay", relay)], peers: [.init(name: "a", id: a)])
        try lab.configure("clone", relays: [("relay", relay)], peers: [.init(name: "b", id: b)])
        _ = try lab.up("a")
        _ = try lab.up("b")
        try lab.waitEstablished("a", "b")
        _ = try lab.up("clone")
        try lab.waitEstablished("clone")
        try lab.wait("the replaced one says so") {
            try lab.status("a")?.relays.first?.state == "identity in use elsewhere"
        }
        let text = try lab.control("a", "status").output
        #expect(text.contains("identity in use elsewhere"), "\(text)")
        let session = try #require(try lab.status("clone")?.peers.first?.session?.id)
        // Ten seconds are six reconnects of a client that flaps.
        let end = BootClock.now().advanced(milliseconds: 10_000)
        try lab.wait("ten seconds are over") {
            let status = try lab.status("a")?.relays.first
            #expect(status?.state == "identity in use elsewhere")
            #expect(try lab.status("clone")?.relays.first?.state == "connected")
            usleep(500_000)
            return BootClock.now() > end
        }
        #expect(try lab.status("b")?.peers.first?.session?.id == session)
    }
}
