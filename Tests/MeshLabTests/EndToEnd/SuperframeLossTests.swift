import FoundationEssentials
import Glibc
import MeshControl
import MeshTestSupport
import Testing

/// What arrives of superframes when the network between two nodes loses, reorders and doubles the records they go in.
extension LabTests.OffloadTests {
    /// What the network does to what the nodes send.
    struct Trouble: CustomTestStringConvertible {
        let leg: String
        /// Share of the packets that are lost.
        let lossShare: Double
        var testDescription: String { leg }
    }

    /// Packets of 41 datagrams to each of two addresses.
    private static let packetCount = 150
    private static let datagramCount = 2 * 41 * packetCount

    @Test(arguments: [
        Trouble(leg: "loss 1%", lossShare: 0.01), Trouble(leg: "loss 5%", lossShare: 0.05),
        Trouble(leg: "loss 0.5% duplicate 2% delay 1ms jitter 300us", lossShare: 0.005),
    ])
    func aLostRecordCostsItsOwnBytesOnly(trouble: Trouble) throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto", seed: testSeed())
        defer { lab.close() }
        try lab.waitPath("a", "b", beginsWith: "udp")
        let addresses = [lab.overlay("b"), try lab.giveVersion6("a", "b")["b"] ?? ""]
        let tap = try #require(try lab.status("b")?.tap.name)
        let script = MeshLab.script("superframes.py")
        let watcher = try lab.start("b", "watch", "python3 \(script) watch \(tap) \(lab.directory)/frames")
        try lab.wait("frames are watched") { try lab.run("b", "ss -0 -Hl | grep -q '\(tap)'").status == 0 }
        // The kernel drops datagrams while it asks for a neighbour's address, and asks again after a second.
        for address in addresses {
            try lab.wait("\(address) answers") { try lab.run("a", "ping -c 1 -W 1 \(address)").status == 0 }
        }
        for site in ["a", "b"] { try lab.wan("leg \(site) up \(trouble.leg)") }

        try checkDatagrams(lab, trouble, to: addresses)
        try checkStreams(lab, to: addresses)

        lab.signal(watcher, SIGTERM)
        _ = try lab.exitStatus(watcher)
        let frames = try lab.read("frames", as: WatchedFrames.self)
        #expect(frames.faults.isEmpty)
        #expect(frames.frames > 100)
        #expect(frames.joined > 0)
        let status = try #require(try lab.status("b"))
        #expect(status.counters["superframe_malformed"] == nil)
        #expect(status.peers.first?.path?.hasPrefix("udp") == true)
    }

    /// Sends superframes of UDP: what the network did not lose arrives, once and unaltered.
    private func checkDatagrams(_ lab: MeshLab, _ trouble: Trouble, to addresses: [String]) throws {
        let script = MeshLab.script("superframes.py")
        var receivers: [MeshLab.Daemon] = []
        for (index, address) in addresses.enumerated() {
            let command = "python3 \(script) receive \(address) \(lab.directory)/got-\(index)"
            receivers.append(try lab.start("b", "receive-\(index)", command))
        }
        try lab.wait("the receivers listen") {
            try lab.run("b", "ss -Hlun 'sport = :5011' | wc -l").output.hasPrefix("2")
        }
        let before = try lab.sentAndLost("a")
        let sent = try lab.run(
            "a", MeshLab.together(addresses.map { "python3 \(script) send \($0) \(Self.packetCount)" }))
        #expect(sent.status == 0, "\(sent.output)")
        // What is under way arrives before the answers do.
        try lab.run("a", "ping -c 5 -i 0.2 \(addresses[0])")
        let after = try lab.sentAndLost("a")
        var missing = Self.datagramCount
        for (index, receiver) in receivers.enumerated() {
            lab.signal(receiver, SIGTERM)
            _ = try lab.exitStatus(receiver)
            let got = try lab.read("got-\(index)", as: ReceivedDatagrams.self)
            #expect(got.altered == 0)
            #expect(got.twice == 0)
            #expect(got.packetsInPart > 0)
            missing -= got.received
        }
        let lost = after.lost - before.lost
        let said = "\(missing) of \(Self.datagramCount) datagrams are missing; of \(after.sent - before.sent) packets"
        // A segment of 1,200 bytes fills a record: none that was lost held two.
        #expect(missing <= lost, "\(said) the network lost \(lost)")
        // And the network is right about what it lost: five standard deviations.
        let expected = trouble.lossShare * Double(Self.datagramCount)
        #expect(Double(missing) <= expected + 5 * expected.squareRoot(), "\(said) the network lost \(lost)")
        #expect(Double(lost) >= expected - 5 * expected.squareRoot(), "\(said) the network lost only \(lost)")
    }

    /// Some megabytes there and back arrive whole.
    private func checkStreams(_ lab: MeshLab, to addresses: [String]) throws {
        let script = MeshLab.script("payloads.py")
        for (index, address) in addresses.enumerated() {
            _ = try lab.start("b", "payloads-\(index)", "python3 \(script) serve \(address)")
        }
        try lab.wait("the servers listen") {
            try lab.run("b", "ss -Hltn 'sport = :5010' | wc -l").output.hasPrefix("2")
        }
        let found = try lab.run("a", MeshLab.together(addresses.map { "python3 \(script) tcp \($0) 3000000" }))
        #expect(found.status == 0, "\(found.output)")
    }
}

/// What `superframes.py receive` writes.
private struct ReceivedDatagrams: Decodable {
    let received: Int
    let twice: Int
    let altered: Int
    /// Packets of which some datagrams arrived, but not all.
    let packetsInPart: Int
}

/// What `superframes.py watch` writes.
private struct WatchedFrames: Decodable {
    let frames: Int
    /// Those of them that the kernel is to cut.
    let joined: Int
    let faults: [String]
}

extension MeshLab {
    /// Gives the TAP devices of nodes addresses of IPv6; those by their sites.
    func giveVersion6(_ nodes: String...) throws -> [String: String] {
        var addresses: [String: String] = [:]
        for node in nodes {
            let address = "fd10::\(overlay(node).split(separator: ".").last ?? "")"
            let tap = try #require(try status(node)?.tap.name)
            let given = try run(node, "ip -6 address add \(address)/64 dev \(tap) nodad")
            try #require(given.status == 0, "\(given.output)")
            addresses[node] = address
        }
        return addresses
    }

    /// Gives the network's emulator a command; its answer.
    @discardableResult
    func wan(_ command: String) throws -> String {
        let answer = try library("lab_wan '\(command)'")
        try #require(answer.status == 0, "\(answer.output)")
        return answer.output
    }

    /// Packets that a site gave to the network, and those of them that the network threw away at once.
    func sentAndLost(_ site: String) throws -> (sent: Int, lost: Int) {
        struct Counters: Decodable {
            struct Leg: Decodable {
                let packets: Int
                let droppedLoss: Int
            }
            struct Site: Decodable {
                let name: String
                let up: Leg
            }
            let sites: [Site]
        }
        let counters = try Self.decode(Data(wan("show").utf8), as: Counters.self)
        let leg = try #require(counters.sites.first { $0.name == site }).up
        return (leg.packets + leg.droppedLoss, leg.droppedLoss)
    }

    /// Reads a JSON file of the lab.
    func read<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
        try Self.decode(Data(contentsOf: URL(filePath: "\(directory)/\(name)")), as: type)
    }

    private static func decode<Value: Decodable>(_ data: Data, as type: Value.Type) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data)
    }
}
