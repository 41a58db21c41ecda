import MeshControl
import Testing

extension LabTests.DirectPathTests {
    @Test func anAddressOfThePeersThatLeadsIntoTheMeshIsNotUsedAndStatusSaysSo() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto")
        defer { lab.close() }
        try lab.waitPath("a", "b", beginsWith: "udp")
        let tap = try #require(try lab.status("a")?.tap.name)
        #expect(try lab.run("a", "ip route add 172.30.0.0/16 dev \(tap)").status == 0)
        let added = try lab.run(
            "b",
            "set -e; ip link add more0 type veth peer name more1; ip link set more1 up; "
                + "ip address add 172.30.0.1/32 dev more0; ip link set more0 up")
        #expect(added.status == 0, "\(added.output)")
        try lab.wait("status says why the address is not used") {
            try lab.status("a")?.peers.first?.paths?.candidates.contains {
                $0.address.hasPrefix("172.30.0.1:") && $0.transport == "udp" && $0.state == "unanswered"
                    && $0.lastFailure == "it leads into the mesh and is not used"
            } == true
        }
        #expect(lab.log("a").contains("leads into the mesh"))
        let counters = try #require(try lab.status("a")?.counters)
        #expect(counters["datagram_into_overlay", default: 0] > 0)
        try lab.waitPath("a", "b", beginsWith: "udp")
    }

    @Test func twoNodesLeaveTheRelayForUDPAndComeBackWhileItIsBlocked() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"], more: "mode: auto")
        defer { lab.close() }
        let stream = try lab.ping(from: "a", to: "b")
        try lab.waitPath("a", "b", beginsWith: "udp")
        #expect(try lab.control("a", "ping b -c 1").output.contains("udp"))
        try lab.filter(
            "a", "add table inet cut", "add chain inet cut in { type filter hook input priority 0; }",
            "add chain inet cut out { type filter hook output priority 0; }",
            "add rule inet cut in meta l4proto udp drop", "add rule inet cut out meta l4proto udp drop")
        try lab.waitPath("a", "b", beginsWith: "relay")
        try lab.filter("a", "delete table inet cut")
        // An attempt at a direct path fails after 5 s; the next one comes 60 s later.
        try lab.waitPath("a", "b", beginsWith: "udp", seconds: 90)
        let gap = try lab.longestGap(stream)
        print("direct path cut and healed: \(gap) s without an answer")
        #expect(gap < 2)
    }
}
