import MeshControl
import Testing

/// Nodes that carry frames with several threads, each with a queue of the TAP and sockets of its own.
extension LabTests.PacketLoopsTests {
    private static let script =
        "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/Lab/payloads.py"

    private func waitForDatagrams(_ lab: MeshLab, _ sites: String...) throws {
        for site in sites {
            try lab.wait("\(site) reaches all by UDP") {
                try lab.status(site)?.peers.allSatisfy { $0.path?.hasPrefix("udp") == true } == true
            }
        }
    }

    private func check(_ lab: MeshLab, from: String, to: String) throws {
        let address = lab.overlay(to)
        let server = try lab.start(to, "payloads-\(to)", "python3 \(Self.script) serve \(address)")
        defer { lab.signal(server, 15) }
        try lab.wait("the server listens") { try lab.run(to, "ss -Hltn 'sport = :5010' | grep -q .").status == 0 }
        let found = try lab.run(from, "python3 \(Self.script) check \(address)")
        #expect(found.status == 0, "\(found.output)")
    }

    @Test func thePeersShareTheLoopsAndEveryFrameArrivesAsItWasSent() throws {
        let (lab, _, _) = try MeshLab.mesh(
            of: ["a", "b", "c"], each: ["a": "packet_loops: 2", "b": "packet_loops: 4", "c": "packet_loops: 1"],
            more: "mode: auto")
        defer { lab.close() }
        try waitForDatagrams(lab, "a", "b", "c")
        for (from, to) in [("a", "b"), ("a", "c"), ("b", "a"), ("c", "b")] { try check(lab, from: from, to: to) }
        let counters = try #require(try lab.status("a")?.counters)
        for number in 0..<2 {
            #expect(counters["packet_loop_\(number)_frames_read", default: 0] > 0, "\(counters)")
            #expect(counters["packet_loop_\(number)_datagrams_sent", default: 0] > 0, "\(counters)")
        }
        #expect(counters["packet_loops_missing"] == nil)
        #expect(counters["superframe_malformed"] == nil)
        #expect(
            try lab.status("c")?.counters["packet_loop_0_frames_read"] == nil, "one loop needs no figures of its own")
    }

    @Test func aStreamLosesNothingWhileItsPathChanges() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto\nafter_direct: standby\npacket_loops: 3")
        defer { lab.close() }
        try waitForDatagrams(lab, "a", "b")
        let stream = try lab.stream(from: "a", to: "b")
        for path in ["relay", "auto", "relay", "auto"] {
            for (site, peer) in [("a", "b"), ("b", "a")] {
                #expect(try lab.control(site, "path \(peer) --use \(path)").status == 0)
            }
            try lab.waitPath("a", "b", beginsWith: path == "auto" ? "udp" : "relay")
        }
        let outcome = try lab.finish(stream)
        #expect(outcome.receivedCount == outcome.sentCount)
    }
}
