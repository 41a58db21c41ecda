import Glibc
import MeshControl
import Testing

extension LabTests.FallbackTests {
    /// Two nodes that have left their relay, 40 ms from each, for UDP.
    private func directMesh(afterDirect: String) throws -> (lab: MeshLab, relay: MeshLab.Daemon) {
        let (lab, relays, _) = try MeshLab.mesh(
            of: ["a", "b"], more: "mode: auto\nafter_direct: \(afterDirect)\nheartbeat_interval: 2")
        do {
            try lab.library("lab_wan leg relay delay 40ms")
            try lab.waitPath("a", "b", beginsWith: "udp")
            let state = afterDirect == "disconnect" ? "resting" : "connected"
            try lab.wait("the relay connections are \(state)") {
                try ["a", "b"].allSatisfy { try lab.status($0)?.relays.first?.state == state }
            }
            return (lab, relays[0])
        } catch {
            lab.close()
            throw error
        }
    }

    /// Drops all UDP between the hosts, and none inside the mesh.
    private func cut(_ lab: MeshLab) throws {
        try lab.filter(
            "a", "add table inet cut", "add chain inet cut in { type filter hook input priority 0; }",
            "add chain inet cut out { type filter hook output priority 0; }",
            "add rule inet cut in iifname wan0 meta l4proto udp drop",
            "add rule inet cut out oifname wan0 meta l4proto udp drop")
    }

    private func sessions(_ lab: MeshLab) throws -> [String?] {
        try ["a", "b"].map { try lab.status($0)?.peers.first?.session?.id }
    }

    @Test(arguments: ["standby", "disconnect"])
    func theRelayCarriesOnWhenADirectPathIsCut(afterDirect: String) throws {
        let (lab, _) = try directMesh(afterDirect: afterDirect)
        defer { lab.close() }
        let before = try sessions(lab)
        let streams = [try lab.stream(from: "a", to: "b"), try lab.stream(from: "b", to: "a")]
        try cut(lab)
        try lab.waitPath("a", "b", beginsWith: "relay")
        for stream in streams {
            let outcome = try lab.finish(stream)
            print(
                "\(afterDirect), \(stream.from) to \(stream.to): outage \(outcome.longestGapMilliseconds) ms,",
                "\(outcome.sentCount - outcome.receivedCount) of \(outcome.sentCount) lost")
            #expect(outcome.longestGapMilliseconds < 3_000)
        }
        #expect(try sessions(lab) == before)
    }

    @Test func sessionsOnDirectPathsNeverNoticeARestartOfTheRelay() throws {
        let (lab, relay) = try directMesh(afterDirect: "standby")
        defer { lab.close() }
        let stream = try lab.stream(from: "a", to: "b")
        lab.signal(relay, SIGKILL)
        _ = try lab.exitStatus(relay)
        try lab.wait("both have lost the relay") {
            try ["a", "b"].allSatisfy { try lab.status($0)?.relays.first?.state != "connected" }
        }
        _ = try lab.startRelay("relay")
        try lab.wait("both are back", seconds: 40) {
            try ["a", "b"].allSatisfy { try lab.status($0)?.relays.first?.state == "connected" }
        }
        let outcome = try lab.finish(stream)
        print("relay restarted while direct: \(outcome)")
        #expect(outcome.receivedCount == outcome.sentCount)
    }

    @Test(arguments: ["standby", "disconnect"])
    func aDirectPathThatDiesWhileTheRelayIsGoneEndsNoSession(afterDirect: String) throws {
        let (lab, relay) = try directMesh(afterDirect: afterDirect)
        defer { lab.close() }
        let before = try sessions(lab)
        lab.signal(relay, SIGKILL)
        _ = try lab.exitStatus(relay)
        try cut(lab)
        for site in ["a", "b"] {
            try lab.wait("\(site) has tried the relay in vain") {
                try lab.status(site)?.relays.first?.state == "disconnected"
            }
        }
        _ = try lab.startRelay("relay")
        try lab.waitPath("a", "b", beginsWith: "relay", seconds: 60)
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 \(lab.overlay("b"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        #expect(try sessions(lab) == before)
    }
}
