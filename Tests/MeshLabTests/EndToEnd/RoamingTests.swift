import Glibc
import MeshControl
import Testing

extension LabTests.DirectPathTests {
    /// Two nodes on a direct path of version 4, and pings from one to the other.
    private func roamers() throws -> (lab: MeshLab, stream: MeshLab.PingStream, session: String) {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto")
        do {
            for site in ["a", "b"] { try lab.run(site, "ip -6 address flush dev wan0 scope global") }
            try lab.waitPath("a", "b", beginsWith: "udp 10.77.")
            let stream = try lab.ping(from: "a", to: "b")
            let session = try #require(try lab.status("a")?.peers.first?.session?.id)
            return (lab, stream, session)
        } catch {
            lab.close()
            throw error
        }
    }

    /// Seconds from the end of a command at a site to the first answer to a ping after it.
    private func secondsToAnswer(
        _ lab: MeshLab, _ stream: MeshLab.PingStream, _ site: String, _ command: String
    ) throws -> Double {
        let done = try lab.run(site, "set -e; \(command); echo at $(date +%s.%N)")
        let start = try #require(done.value("at"), "\(done.output)")
        var first: Double?
        try lab.wait("a ping is answered after: \(command)") {
            first = lab.answers(stream).first { $0 > start }
            return first != nil
        }
        return try #require(first) - start
    }

    private func isSameSession(_ lab: MeshLab, _ session: String) throws -> Bool {
        try lab.status("a")?.peers.first?.session?.id == session
    }

    private func change(_ lab: MeshLab, _ site: String) -> String {
        let (old, new) = (lab.address(site), lab.spareAddress(site))
        return "ip address add \(new)/32 dev wan0; ip route replace default dev wan0 src \(new); "
            + "ip address del \(old)/32 dev wan0"
    }

    @Test(arguments: ["a", "b"])
    func aChangeOfAddressUnderLoadNeedsNoHandshake(site: String) throws {
        let (lab, stream, session) = try roamers()
        defer { lab.close() }
        let seconds = try secondsToAnswer(lab, stream, site, change(lab, site))
        try lab.waitPath(site == "a" ? "b" : "a", beginsWith: "udp \(lab.spareAddress(site))")
        let gap = try lab.longestGap(stream)
        print("address of \(site) changed: an answer after \(seconds) s; longest gap \(gap) s")
        #expect(gap < 2)
        #expect(try isSameSession(lab, session))
    }

    @Test func anInterfaceThatGoesDownAndComesUpNeedsNoHandshake() throws {
        let (lab, stream, session) = try roamers()
        defer { lab.close() }
        try lab.run("b", "ip link set wan0 down; sleep 4")
        let seconds = try secondsToAnswer(
            lab, stream, "b", "ip link set wan0 up; ip route add default dev wan0 src \(lab.address("b"))")
        print("interface down for 4 s and up: an answer after \(seconds) s")
        try lab.waitPath("a", beginsWith: "udp \(lab.address("b"))")
        #expect(try isSameSession(lab, session))
    }

    /// Host c is the other uplink's router: a wire leads there from a, and it translates a's address on the wire to its
    /// own. What comes from another address is dropped, as providers do.
    private func addUplink(_ lab: MeshLab) throws {
        let script = """
            ip -n \(lab.namespace("a")) link add up1 type veth peer name down1 netns \(lab.namespace("c"))
            ip -n \(lab.namespace("a")) address add 192.168.9.2/24 dev up1; ip -n \(lab.namespace("a")) link set up1 up
            ip -n \(lab.namespace("c")) address add 192.168.9.1/24 dev down1; ip -n \(lab.namespace("c")) link set down1 up
            """
        try #require(try lab.library(script).status == 0)
        let router = try lab.run(
            "c",
            """
            set -e; sysctl -qw net.ipv4.ip_forward=1
            nft 'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; };
            add rule ip nat out oif wan0 masquerade; add chain ip nat via { type filter hook forward priority 0; };
            add rule ip nat via iif down1 ip saddr != 192.168.9.2 drop'
            """)
        try #require(router.status == 0, "\(router.output)")
    }

    @Test func whenAnotherUplinkTakesOverTheRelayIsReachedByItAtOnce() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], bystanders: ["c"], more: "mode: auto")
        defer { lab.close() }
        for site in ["a", "b"] { try lab.run(site, "ip -6 address flush dev wan0 scope global") }
        try lab.waitPath("a", "b", beginsWith: "udp 10.77.")
        try addUplink(lab)
        let stream = try lab.ping(from: "a", to: "b")
        let session = try #require(try lab.status("a")?.peers.first?.session?.id)
        // The address of the first uplink stays.
        let seconds = try secondsToAnswer(
            lab, stream, "a", "ip route replace default via 192.168.9.1 dev up1")
        try lab.wait("a is connected to the relay by the other uplink", seconds: 5) {
            try lab.run("a", "ss -Htn state established dst \(lab.address("relay")):443").output
                .contains("192.168.9.2:")
        }
        #expect(lab.log("a").contains("another uplink"))
        let gap = try lab.longestGap(stream)
        print("another uplink: an answer after \(seconds) s; longest gap \(gap) s")
        #expect(gap < 2)
        #expect(try isSameSession(lab, session))
    }

    @Test func aTranslatorThatForgetsItsMappingsIsFollowed() throws {
        let (lab, stream, session) = try roamers()
        defer { lab.close() }
        let own = try #require(
            try lab.status("b")?.candidates.first { $0.transport == "udp" && $0.source == "interface" })
        let port = try #require(own.address.split(separator: ":").last)
        for range in ["20000-20999", "none", "30000-30999"] {
            // Without a rule the port is the socket's own again; with one only the mapped port leads in.
            let rules =
                range == "none"
                ? "nft delete table ip nat"
                : "nft 'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; "
                    + "add chain ip nat in { type filter hook prerouting priority -300; }; "
                    + "add rule ip nat out oif wan0 meta l4proto udp masquerade to :\(range); "
                    + "add rule ip nat in iif wan0 udp dport \(port) drop'"
            let seconds = try secondsToAnswer(lab, stream, "b", rules)
            // The kernel may remember a port of an earlier range for a flow that it knows.
            let own = "udp \(lab.address("b")):\(port)"
            try lab.wait("a reaches b directly, not by a port that leads nowhere") {
                // An address that died young is left alone for a while; a WebSocket may serve meanwhile.
                guard let path = try lab.status("a")?.peers.first?.path, !path.hasPrefix("relay") else { return false }
                return range == "none" || path != own
            }
            print("translator's ports \(range): an answer after \(seconds) s")
        }
        let gap = try lab.longestGap(stream)
        print("translator changed three times: longest gap \(gap) s")
        #expect(gap < 2)
        #expect(try isSameSession(lab, session))
    }

    @Test func aPathIsChosenByHandAndNothingIsLost() throws {
        let (lab, stream, _) = try roamers()
        defer { lab.close() }
        for (choice, prefix) in [("relay", "relay"), ("direct", "udp"), ("relay", "relay"), ("auto", "udp")] {
            let answer = try lab.control("a", "path b --use \(choice)")
            #expect(answer.status == 0, "\(answer.output)")
            print(answer.output.split(separator: "\n").first ?? "")
            try lab.waitPath("a", beginsWith: prefix)
        }
        let unknown = try lab.control("a", "path b --use 192.0.2.1:9")
        #expect(unknown.status == 1 && unknown.output.contains("has no address"), "\(unknown.output)")
        let listed = try lab.status("a")?.peers.first?.paths?.candidates.first { $0.transport == "wss" }
        let refused = try lab.control("a", "path b --use \(try #require(listed).address)")
        #expect(refused.status == 1 && refused.output.contains("is no UDP address"), "\(refused.output)")
        let count = lab.answers(stream).count
        try lab.wait("pings go on") { lab.answers(stream).count > count + 10 }
        let sequence = lab.log(stream.label).split(separator: "\n").filter { $0.contains("bytes from") }
            .compactMap { line in line.split(separator: " ").first { $0.hasPrefix("icmp_seq=") } }
            .compactMap { Int($0.dropFirst(9)) }
        #expect(sequence == Array(1...sequence.count), "none lost, none twice, all in order")
    }
}
