import Glibc
import MeshControl
import Testing

extension LabTests.DirectPathTests {
    private func pair() throws -> (lab: MeshLab, nodes: [String: MeshLab.Daemon]) {
        let lab = try MeshLab(["a", "b"])
        do {
            let (a, b) = (try lab.identity("a"), try lab.identity("b"))
            try lab.configure(
                "a", peers: [.init(name: "b", id: b)], more: "mode: direct\nlisten_address: \(lab.address("a")):8443")
            try lab.configure(
                "b", peers: [.init(name: "a", id: a, address: "\(lab.address("a")):8443")], more: "mode: direct")
            let nodes = ["a": try lab.up("a"), "b": try lab.up("b")]
            try lab.waitEstablished("a", "b")
            return (lab, nodes)
        } catch {
            lab.close()
            throw error
        }
    }

    @Test func twoNodesMeetWithoutARelay() throws {
        let (lab, _) = try pair()
        defer { lab.close() }
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 \(lab.overlay("b"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        for site in ["a", "b"] {
            #expect(try lab.status(site)?.peers.first?.path?.hasPrefix("wss ") == true)
        }
        #expect(try lab.control("a", "ping b -c 1").output.contains("wss "))
    }

    @Test(arguments: ["a", "b"], [SIGTERM, SIGKILL])
    func framesFlowAgainWithin3SecondsAfterARestart(site: String, signal: CInt) throws {
        let (lab, nodes) = try pair()
        defer { lab.close() }
        let stream = try lab.ping(from: "b", to: "a")
        let daemon = try #require(nodes[site])
        lab.signal(daemon, signal)
        _ = try lab.exitStatus(daemon)
        _ = try lab.up(site)
        let gap = try lab.longestGap(stream)
        print("direct, \(site) restarted with signal \(signal): \(gap) s without an answer")
        #expect(gap < 3)
    }

    @Test func whoeverIsNotConfiguredIsShownAndRefused() throws {
        let (lab, _) = try pair()
        defer { lab.close() }
        let stranger = try lab.identity("stranger")
        let a = try shell("\(MeshLab.program) id --identity \(lab.directory)/a.identity").output
        try lab.configure(
            "b", identity: "stranger",
            peers: [.init(name: "a", id: String(a.prefix(52)), address: "\(lab.address("a")):8443")],
            more: "mode: direct", tap: "  name: chr-002\n")
        try lab.write(
            "b.yaml", try shell("sed s/b.sock/c.sock/ \(lab.directory)/b.yaml").output)
        _ = try lab.up("b")
        try lab.wait("the stranger is shown") { try lab.status("a")?.pending.contains { $0.id == stranger } == true }
        let pending = try lab.control("a", "peers --pending")
        #expect(pending.output.contains(stranger.prefix(10)), "\(pending.output)")
        let status = try #require(try lab.status("a"))
        #expect((status.counters["hello_unknown_peer"] ?? 0) > 0)
        #expect(status.peers.first?.state == .established)
        let strange = try #require(try lab.status("c")?.peers.first)
        #expect(strange.session == nil)
        try lab.wait("the stranger is told", seconds: 15) { try lab.status("c")?.peers.first?.lastError != nil }
    }
}
