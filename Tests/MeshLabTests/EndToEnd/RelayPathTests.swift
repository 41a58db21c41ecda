import Glibc
import MeshControl
import Testing

extension LabTests.RelayPathTests {
    @Test func framesOfAllKindsCrossTheRelay() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let b = lab.overlay("b")
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 \(b)")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        // 1,372 bytes of payload, 8 of ICMP and 20 of IP fill the MTU of 1,400; don't fragment.
        let large = try lab.run("a", "ping -c 3 -i 0.2 -W 2 -M do -s 1372 \(b)")
        #expect(large.output.contains(" 0% packet loss"), "\(large.output)")
        #expect(try lab.run("a", "ip neigh show \(b) dev chr-001").output.contains("lladdr"))
        for site in ["a", "b"] {
            try lab.wait("\(site) has made sure of its address (RFC 4862 section 5.4)") {
                try lab.run(site, "ip -6 address show dev chr-001 tentative").output.isEmpty
            }
        }
        let scope = "ip -6 -o address show dev chr-001 scope link | sed -n 's/.*inet6 \\(fe80:[^/]*\\).*/\\1/p'"
        let linkLocal = try lab.run("b", scope).output.filter { !$0.isNewline }
        let version6 = try lab.run("a", "ping -6 -c 3 -i 0.2 -W 2 \(linkLocal)%chr-001")
        #expect(version6.output.contains(" 0% packet loss"), "\(version6.output)")
        // Frames with an 802.1Q tag of VLAN 42, made by hand: not every kernel has VLAN devices.
        try lab.write(
            "tagged.py",
            """
            import socket
            channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            channel.bind(("chr-001", 0))
            for _ in range(5): channel.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\x77" + b"\\x81\\0\\0\\x2a\\x88\\xb5" + bytes(1396))
            """)
        _ = try lab.start("b", "dump", "tcpdump -l -n -e -i chr-001 -c 5 vlan 42")
        try lab.wait("tcpdump listens") { lab.log("dump").contains("listening on") }
        try lab.run("a", "python3 \(lab.directory)/tagged.py")
        try lab.wait("five tagged frames came") { lab.log("dump").contains("5 packets captured") }
        #expect(lab.log("dump").contains("vlan 42"), "\(lab.log("dump"))")
        try lab.run("b", "sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0")
        let broadcast = try lab.run("a", "ping -b -c 3 -i 0.2 -W 2 10.10.10.255")
        #expect(broadcast.output.contains("from \(b)"), "\(broadcast.output)")
    }

    @Test func theCommandsTellWhatIs() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        try lab.run("a", "ping -c 3 -i 0.2 \(lab.overlay("b"))")
        let status = try #require(try lab.status("a"))
        #expect(status.relays.map(\.state) == ["connected"])
        #expect(status.relays.first?.url == "wss://\(lab.address("relay"))")
        #expect(status.relays.first?.observedAddress?.hasPrefix("\(lab.address("a")):") == true)
        #expect(status.tap.addresses == ["\(lab.overlay("a"))/24"])
        let peer = try #require(status.peers.first)
        #expect(peer.name == "b")
        #expect(peer.path?.hasPrefix("relay ") == true)
        #expect(peer.lastError == nil)
        #expect(peer.traffic.sentFrames > 0 && peer.traffic.receivedFrames > 0)
        #expect(peer.session?.id == (try lab.status("b"))?.peers.first?.session?.id)
        #expect((try #require(peer.handshake)).bytes > 10_000)
        let ping = try lab.control("a", "ping b -c 2")
        #expect(ping.status == 0 && ping.output.contains("relay"), "\(ping.output)")
        let peers = try lab.control("a", "peers")
        #expect(peers.status == 0 && peers.output.contains("b"), "\(peers.output)")
        let unknown = try lab.control("a", "ping nobody")
        #expect(unknown.status == 1 && unknown.output.contains("no peer is called nobody"), "\(unknown.output)")
    }

    @Test(arguments: ["down", "SIGTERM", "SIGINT"])
    func aNodeEndsWithStatus0AndTakesItsDeviceAway(how: String) throws {
        let (lab, relays, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        switch how {
        case "down": #expect(try lab.control("a", "down").status == 0)
        case "SIGINT": lab.signal(nodes[0], SIGINT)
        default: lab.signal(nodes[0], SIGTERM)
        }
        #expect(try lab.exitStatus(nodes[0]) == 0)
        #expect(try lab.run("a", "ip link show chr-001").status != 0)
        #expect(try lab.control("a", "status").status == 69)
        // The peer was told, not left to find out.
        try lab.wait("the peer knows", seconds: 2) { try lab.status("b")?.peers.first?.session == nil }
        #expect(try lab.status("b")?.peers.first?.lastError == "the peer shut down")
        lab.signal(relays[0], SIGTERM)
        #expect(try lab.exitStatus(relays[0]) == 0)
    }

    @Test func fiveNodesReachEachOther() throws {
        let names = ["a", "b", "c", "d", "e"]
        let (lab, _, _) = try MeshLab.mesh(of: names)
        defer { lab.close() }
        for from in names {
            for to in names where to != from {
                let ping = try lab.run(from, "ping -c 2 -i 0.1 -W 2 \(lab.overlay(to))")
                #expect(ping.output.contains(" 0% packet loss"), "\(from) to \(to): \(ping.output)")
            }
        }
        // A storm: as many broadcasts as the kernel can send for two seconds. Each peer gets at most the limit,
        // 1,000 a second after 1,024 at once, and the others go on undisturbed.
        let before = try #require(try lab.status("c")).tap.traffic.sentFrames
        _ = try lab.start("a", "storm", "timeout 2 ping -b -f -q 10.10.10.255")
        let ping = try lab.run("d", "ping -c 10 -i 0.1 -W 2 \(lab.overlay("e"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        let after = try #require(try lab.status("c")).tap.traffic.sentFrames
        #expect(after - before < 1_024 + 3 * 1_000 + 200)
    }
}
