import MeshControl
import Testing

extension LabTests.DirectPathTests {
    /// Makes the network between the two carry UDP in packets of at most 1,280 bytes, without a word: what is longer does
    /// not arrive, and neither would an ICMP message about it.
    private func shrink(_ lab: MeshLab) throws {
        for site in ["a", "b"] {
            try lab.filter(
                site, "add table inet small", "add chain inet small in { type filter hook input priority 0; }",
                "add rule inet small in meta l4proto udp meta length > 1280 drop",
                "add rule inet small in icmp type destination-unreachable drop",
                "add rule inet small in icmpv6 type packet-too-big drop")
        }
    }

    private func expectLargePings(_ lab: MeshLab) throws {
        // 1,372 bytes of payload, 8 of ICMP and 20 of IP fill the MTU of 1,400; don't fragment.
        let large = try lab.run("a", "ping -c 20 -i 0.05 -W 2 -M do -s 1372 \(lab.overlay("b"))")
        #expect(large.output.contains(" 0% packet loss"), "\(large.output)")
        for site in ["a", "b"] { #expect(try lab.status(site)?.peers.first?.path?.hasPrefix("udp") == true) }
    }

    @Test func aPathOf1280BytesCarriesFullFrames() throws {
        let lab = try MeshLab(["relay", "a", "b"])
        defer { lab.close() }
        let relay = try lab.identity("relay")
        let (a, b) = (try lab.identity("a"), try lab.identity("b"))
        _ = try lab.relay("relay")
        try shrink(lab)
        try lab.configure("a", relays: [("relay", relay)], peers: [.init(name: "b", id: b)], more: "mode: auto")
        try lab.configure("b", relays: [("relay", relay)], peers: [.init(name: "a", id: a)], more: "mode: auto")
        for site in ["a", "b"] { _ = try lab.up(site) }
        try lab.waitEstablished("a", "b")
        try lab.waitPath("a", "b", beginsWith: "udp")
        try expectLargePings(lab)
    }

    @Test func aPathThatShrinksGoesOnCarryingFullFrames() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto")
        defer { lab.close() }
        try lab.waitPath("a", "b", beginsWith: "udp")
        try expectLargePings(lab)
        try shrink(lab)
        let large = try lab.start("a", "large", "ping -D -i 0.05 -M do -s 1372 \(lab.overlay("b"))")
        try lab.wait("full frames cross the smaller path") { lab.log("large").contains("bytes from") }
        lab.signal(large, 2)
        try expectLargePings(lab)
    }

    /// Here the kernel itself says what is too long.
    @Test func anInterfaceOf1280BytesCarriesFullFrames() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto")
        defer { lab.close() }
        try lab.waitPath("a", "b", beginsWith: "udp")
        let lowered = try lab.run("a", "ip link set dev wan0 mtu 1280")
        #expect(lowered.status == 0, "\(lowered.output)")
        let first = try lab.run("a", "ping -c 2 -i 0.05 -W 2 -M do -s 1372 \(lab.overlay("b"))")
        #expect(first.output.contains("bytes from"), "\(first.output)")
        try expectLargePings(lab)
    }
}
