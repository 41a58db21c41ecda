import MeshControl
import Testing

/// What of the kernel's offloads each of two nodes uses, and whether frames pass as they were sent.
extension LabTests.OffloadTests {
    static let all = ""
    static let none = "offload: {tap_checksum: 'off', udp_send: 'off', udp_receive: 'off'}"
    static let checksumOnly = "offload: {tap_tcp: 'off', tap_udp: 'off'}"
    static let noUDP = "offload: {tap_udp: 'off', udp_receive: 'off'}"
    static let noSocketOffloads = "offload: {udp_send: 'off', udp_receive: 'off'}"

    /// One side's offloads of the TAP, of sending and of receiving datagrams, each on or off, less all and none.
    static let combinations = (1...6).map { bits in
        let (tap, send, receive) = (bits & 1 == 0, bits & 2 == 0, bits & 4 == 0)
        let word = { (isOn: Bool) in isOn ? "'auto'" : "'off'" }
        return "offload: {tap_tcp: \(word(tap)), tap_udp: \(word(tap)), udp_send: \(word(send)), "
            + "udp_receive: \(word(receive))}"
    }

    @Test(
        arguments: [
            (all, all), (all, none), (none, all), (none, none), (all, checksumOnly), (noUDP, all),
            (noSocketOffloads, all),
        ] + combinations.map { ($0, none) })
    func everyFrameArrivesAsItWasSent(first: String, second: String) throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], each: ["a": first, "b": second], more: "mode: auto")
        defer { lab.close() }
        try waitPath(lab, "udp")
        let version6 = try lab.giveVersion6("a", "b")
        for (from, to) in [("a", "b"), ("b", "a")] {
            try check(lab, from: from, to: to, at: lab.overlay(to), version6[to] ?? "")
        }
        let counters = try #require(try lab.status("b")?.counters)
        #expect(counters["superframe_malformed"] == nil)
        if first == Self.all, second == Self.all { #expect(counters["tap_joined", default: 0] > 0) }
    }

    @Test(arguments: [all, none]) func superframesPassTheRelay(second: String) throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], each: ["b": second])
        defer { lab.close() }
        try check(lab, from: "a", to: "b", at: lab.overlay("b"))
    }

    /// A host on a LAN that node b's TAP is bridged to, by a cable that takes complete frames only.
    @Test func framesLeaveABridgedHostComplete() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], bystanders: ["lan"], more: "mode: auto")
        defer { lab.close() }
        try waitPath(lab, "udp")
        let tap = try #require(try lab.status("b")?.tap.name)
        let host = lab.namespace("lan")
        let bridged = try lab.run(
            "b",
            """
            set -e
            ip link add lan0 type veth peer name lan1 netns \(host)
            ip link add br0 type bridge
            ip address flush dev \(tap)
            ip link set \(tap) master br0
            ip link set lan0 master br0
            ethtool -K lan0 tx off tso off gso off tx-udp-segmentation off >/dev/null
            ip link set br0 mtu 1400 up
            ip link set lan0 mtu 1400 up
            """)
        #expect(bridged.status == 0, "\(bridged.output)")
        let host1 = try lab.run(
            "lan",
            "set -e; ethtool -K lan1 tx off rx off >/dev/null; ip address add 10.10.10.77/24 dev lan1; ip link set lan1 mtu 1400 up"
        )
        #expect(host1.status == 0, "\(host1.output)")
        try lab.wait("the host on the LAN answers") {
            try lab.run("a", "ping -c 1 -W 1 10.10.10.77").status == 0
        }
        try check(lab, from: "a", to: "lan", at: "10.10.10.77")
        try check(lab, from: "lan", to: "a", at: lab.overlay("a"))
    }

    /// What the network sees of datagrams: the configured mark on their way out, and the class of service of the packets
    /// in them on their way in; nothing of the latter unless configured.
    @Test func datagramsHaveTheConfiguredMarkAndClass() throws {
        let (lab, _, _) = try MeshLab.mesh(
            of: ["a", "b"], each: ["a": "datagrams: {mark: 7, dscp: copy}"], more: "mode: auto")
        defer { lab.close() }
        try waitPath(lab, "udp")
        let classes = ["ip dscp ef", "ip6 dscp ef"]
        for (site, hook, what) in [("a", "output", ["meta mark 7"]), ("b", "input", classes), ("a", "input", classes)] {
            let table = "inet seen\(hook)"
            let rules =
                "nft 'add table \(table); add chain \(table) packets { type filter hook \(hook) priority 0; }"
                + what.map { "; add rule \(table) packets meta l4proto udp \($0) counter" }.joined() + "'"
            let added = try lab.run(site, rules)
            #expect(added.status == 0, "\(added.output)")
        }
        let ping = try lab.run("a", "ping -c 5 -i 0.05 -Q 0xb8 \(lab.overlay("b"))")
        #expect(ping.status == 0, "\(ping.output)")
        #expect(try seen(lab, "a", "output") >= 5)
        #expect(try seen(lab, "b", "input") >= 5)
        #expect(try seen(lab, "a", "input") == 0, "the answers' class was not to be copied")
    }

    private func seen(_ lab: MeshLab, _ site: String, _ hook: String) throws -> Int {
        let listed = try lab.run(site, "nft list table inet seen\(hook)").output
        let words = listed.split(whereSeparator: \.isWhitespace)
        return zip(words, words.dropFirst()).filter { $0.0 == "packets" }.compactMap { Int($0.1) }.reduce(0, +)
    }

    /// Checks TCP and UDP both ways, at all addresses at once.
    private func check(_ lab: MeshLab, from: String, to: String, at addresses: String...) throws {
        let script = MeshLab.script("payloads.py")
        let servers = try addresses.map { try lab.start(to, "payloads-\(to)", "python3 \(script) serve \($0)") }
        defer { for server in servers { lab.signal(server, 15) } }
        try lab.wait("the servers listen") {
            try lab.run(to, "ss -Hltn 'sport = :5010' | wc -l").output.hasPrefix("\(addresses.count)")
        }
        let found = try lab.run(
            from, MeshLab.together(addresses.map { "python3 \(script) check \($0) 4000000" }))
        #expect(found.status == 0, "\(found.output)")
    }

    private func waitPath(_ lab: MeshLab, _ prefix: String) throws {
        for site in ["a", "b"] {
            try lab.wait("\(site) uses a path that begins with \(prefix)") {
                try lab.status(site)?.peers.first?.path?.hasPrefix(prefix) == true
            }
        }
    }
}
