import FoundationEssentials
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
        let script = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let receiver = try lab.start(
            "b", "receive", "python3 /\(script)/Lab/stream.py receive \(lab.overlay("b")) \(lab.directory)/got.json")
        try lab.wait("the receiver listens") { try lab.run("b", "ss -Hlun 'sport = :9' | grep -q .").status == 0 }
        let sender = try lab.start(
            "a", "send", "python3 /\(script)/Lab/stream.py send \(lab.overlay("b")) \(lab.directory)/sent.json 1000")
        try lab.wait("the stream flows") { (try lab.status("b")?.peers.first?.traffic.receivedFrames ?? 0) > 500 }
        lab.signal(first, SIGTERM)
        #expect(try lab.exitStatus(first) == 0)
        #expect(try lab.status("a")?.peers.first?.path != before)
        lab.signal(sender, SIGTERM)
        _ = try lab.exitStatus(sender)
        _ = try lab.run("a", "ping -c 2 -i 0.2 \(lab.overlay("b"))")
        lab.signal(receiver, SIGTERM)
        _ = try lab.exitStatus(receiver)
        let sent = try shell("cat \(lab.directory)/sent.json").output
        let got = try shell("cat \(lab.directory)/got.json").output
        print("drain: \(sent) \(got)")
        let numbers = { (text: String) in try JSONDecoder().decode([String: Double].self, from: Data(text.utf8)) }
        #expect(try numbers(sent)["sent"] == numbers(got)["received"])
    }
}
