import MeshControl
import Testing

/// What relays' STUN services are asked.
extension LabTests.DirectPathTests {
    @Test func aRelayWithAddressesOfBothFamiliesIsAskedByBoth() throws {
        let lab = try MeshLab(["relay", "a"])
        defer { lab.close() }
        let relayID = try lab.identity("relay")
        let (_, other) = (try lab.identity("a"), try lab.identity("b"))
        let directory = lab.directory
        try lab.write(
            "relay.yaml",
            """
            listen_address: '[::]:443'
            stun_address: '[::]:3478'
            identity: \(directory)/relay.identity
            state_directory: \(directory)/relay-state

            """)
        try shell("mkdir -p -m 700 \(directory)/relay-state")
        _ = try lab.startRelay("relay")
        try lab.write("hosts", "\(lab.address("relay")) relay.test\nfd77::1 relay.test\n")
        try lab.write("resolver", "#!/bin/sh\nmount --bind \(directory)/hosts /etc/hosts && exec \"$@\"\n")
        try lab.configure("a", relays: [("relay", relayID)], peers: [.init(name: "b", id: other)], more: "mode: auto")
        try shell("sed -i s/\(lab.address("relay"))/relay.test/ \(directory)/a.yaml")
        let rules =
            ["ip", "ip6"].map {
                "add table \($0) seen; add chain \($0) seen in { type filter hook input priority 0; }; "
            }
            .joined()
            + "add rule ip seen in udp sport 3478 counter; add rule ip6 seen in udp sport 3478 counter"
        #expect(try lab.run("a", "nft '\(rules)'").status == 0)
        _ = try lab.up("a", prefix: "unshare -m sh \(directory)/resolver")
        for family in ["ip", "ip6"] {
            try lab.wait("an answer came by \(family)") {
                let counted = try lab.run("a", "nft list chain \(family) seen in").output
                return counted.contains("counter packets") && !counted.contains("counter packets 0")
            }
        }
    }
}
