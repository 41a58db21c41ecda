import Glibc
import MeshControl
import Testing

extension LabTests.RestartTests {
    @Test(arguments: ["a", "b"], [SIGTERM, SIGKILL])
    func framesFlowAgainWithin3SecondsAfterANodeRestarts(site: String, signal: CInt) throws {
        let (lab, _, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let stream = try lab.ping(from: "a", to: "b")
        let daemon = nodes[site == "a" ? 0 : 1]
        lab.signal(daemon, signal)
        _ = try lab.exitStatus(daemon)
        _ = try lab.up(site)
        let gap = try lab.longestGap(stream)
        print("relay path, \(site) restarted with signal \(signal): \(gap) s without an answer")
        #expect(gap < 3)
    }

    @Test(arguments: [SIGTERM, SIGKILL])
    func sessionsOutliveARestartOfTheRelay(signal: CInt) throws {
        let (lab, relays, _) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let session = try #require(try lab.status("a")?.peers.first?.session?.id)
        let stream = try lab.ping(from: "a", to: "b")
        lab.signal(relays[0], signal)
        _ = try lab.exitStatus(relays[0])
        _ = try lab.startRelay("relay")
        let gap = try lab.longestGap(stream)
        print("relay restarted with signal \(signal): \(gap) s without an answer")
        #expect(gap < 5)
        #expect(try lab.status("a")?.peers.first?.session?.id == session)
        #expect(try lab.status("b")?.peers.first?.session?.id == session)
    }

    @Test func aDrainingRelayLosesNothingWhenThereIsAnother() throws {
        let (lab, relays, _) = try MeshLab.mesh(of: ["a", "b"], relays: ["relay", "second"])
        defer { lab.close() }
        try lab.wait("both relays are connected") {
            try ["a", "b"].allSatisfy { try lab.status($0)?.relays.allSatisfy { $0.state == "connected" } == true }
        }
        let before = try #require(try lab.status("a")?.peers.first?.path)
        let first = before.contains(try lab.status("a")?.relays.first?.id.prefix(10) ?? "?") ? relays[0] : relays[1]
        let stream = try lab.stream(from: "a", to: "b")
        lab.signal(first, SIGTERM)
        #expect(try lab.exitStatus(first) == 0)
        #expect(try lab.status("a")?.peers.first?.path != before)
        let outcome = try lab.finish(stream)
        print("drain: \(outcome)")
        #expect(outcome.sentCount == outcome.receivedCount)
    }
}
