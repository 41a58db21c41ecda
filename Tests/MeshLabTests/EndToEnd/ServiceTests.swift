import Glibc
import MeshControl
import MeshLinux
import Testing

extension LabTests.ServiceTests {
    @Test func aNodeNeedsNoCapabilityButNetworkAdministration() throws {
        let (lab, _, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        lab.signal(nodes[0], SIGTERM)
        #expect(try lab.exitStatus(nodes[0]) == 0)
        let daemon = try lab.up(
            "a", prefix: "setpriv --bounding-set=-all,+net_admin --inh-caps=-all --ambient-caps=-all --no-new-privs")
        try lab.waitEstablished("a")
        // 0x1000: CAP_NET_ADMIN is bit 12.
        let held = try shell("grep CapEff /proc/\(daemon.pid)/status").output
        #expect(held.hasSuffix("\t0000000000001000\n"), "\(held)")
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 \(lab.overlay("b"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        lab.signal(daemon, SIGTERM)
        #expect(try lab.exitStatus(daemon) == 0)
        #expect(try lab.run("a", "ip link show chr-001").status != 0)
    }

    @Test func systemdIsToldOfReadinessAndStopping() throws {
        let (lab, relays, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        try lab.write(
            "notify.py",
            """
            import socket, sys
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            channel.bind(sys.argv[1])
            while True: print(channel.recv(1000).decode(), flush=True)
            """)
        for (site, daemon, verb) in [("a", nodes[0], "up"), ("relay", relays[0], "relay run")] {
            lab.signal(daemon, SIGTERM)
            #expect(try lab.exitStatus(daemon) == 0)
            let socket = "\(lab.directory)/\(site).notify"
            _ = try lab.start(site, "notify-\(site)", "python3 \(lab.directory)/notify.py \(socket)")
            try lab.wait("the receiver is there") { try shell("test -S \(socket)").status == 0 }
            let service = try lab.start(
                site, "service",
                "env NOTIFY_SOCKET=\(socket) \(MeshLab.program) \(verb) --config \(lab.directory)/\(site).yaml")
            try lab.wait("\(site) is ready") { lab.log("notify-\(site)").contains("READY=1") }
            #expect(!lab.log("notify-\(site)").contains("STOPPING=1"))
            lab.signal(service, SIGTERM)
            try lab.wait("\(site) stops") { lab.log("notify-\(site)").contains("STOPPING=1") }
            #expect(try lab.exitStatus(service) == 0)
        }
    }

    @Test func aRelayReadsItsLimitsAgainOnSIGHUP() throws {
        let (lab, relays, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let stream = try lab.ping(from: "a", to: "b")
        let path = "\(lab.directory)/relay.yaml"
        try shell("printf 'limits:\\n  clients: none\\n' >>\(path)")
        lab.signal(relays[0], SIGHUP)
        try lab.wait("the relay tells of the mistake") { lab.log("relay").contains("the limits stay as they are") }
        #expect(lab.log("relay").contains("limits.clients"), "\(lab.log("relay"))")
        try shell("sed -i 's/clients: none/clients: 1/' \(path)")
        lab.signal(relays[0], SIGHUP)
        try lab.wait("the limits are read") { lab.log("relay").contains("limits reloaded") }
        #expect(try lab.longestGap(stream) < 1)
        // Both stay; but one of them that leaves finds its place gone.
        lab.signal(nodes[1], SIGTERM)
        #expect(try lab.exitStatus(nodes[1]) == 0)
        _ = try lab.up("b")
        try lab.wait("b is refused") { try lab.status("b")?.relays.first?.lastError?.contains("full") == true }
        #expect(try lab.status("a")?.relays.first?.state == "connected")
    }

    @Test func memoryAndDescriptorsStayBounded() throws {
        let (lab, relays, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let descriptors = { (daemon: MeshLab.Daemon) in
            Int(try shell("ls /proc/\(daemon.pid)/fd | wc -l").output.filter(\.isNumber)) ?? 0
        }
        let resident = { (daemon: MeshLab.Daemon) in
            Int(try shell("grep VmRSS /proc/\(daemon.pid)/status").output.filter(\.isNumber)) ?? 0
        }
        let before = (try descriptors(relays[0]), try descriptors(nodes[0]))
        _ = try lab.start("b", "iperf", "iperf3 -s -1 -B \(lab.overlay("b"))")
        try lab.wait("iperf3 listens") { try lab.run("b", "ss -Hltn 'sport = :5201' | grep -q .").status == 0 }
        let traffic = try lab.run("a", "iperf3 -c \(lab.overlay("b")) -t 3")
        #expect(traffic.status == 0, "\(traffic.output)")
        // The connections of 50 clients that come and go.
        let clients = try lab.run(
            "b",
            "for n in $(seq 50); do curl -sk -m 5 https://\(lab.address("relay"))/health >/dev/null || exit 1; done")
        #expect(clients.status == 0)
        // A node's connection to its relay, broken over and over while its back-off is short.
        // When the connection was made, in milliseconds since the node's start.
        func connectedAt() throws -> UInt64? {
            guard let status = try lab.status("a"), let relay = status.relays.first, relay.state == "connected" else {
                return nil
            }
            return status.uptimeMilliseconds - min(relay.sinceMilliseconds, status.uptimeMilliseconds)
        }
        for _ in 0..<4 {
            let before = try #require(try connectedAt())
            _ = try lab.run("relay", "ss -K dst \(lab.address("a")) >/dev/null 2>&1")
            try lab.wait("a is connected anew") {
                // A millisecond either way is rounding.
                try connectedAt().map { $0 > before + 2 } ?? false
            }
        }
        try lab.waitEstablished("a", "b")
        try lab.wait("no descriptor is left open") {
            try descriptors(relays[0]) <= before.0 && descriptors(nodes[0]) <= before.1
        }
        for daemon in relays + nodes {
            let kilobytes = try resident(daemon)
            print("\(daemon.label): \(kilobytes) kB resident")
            #expect(kilobytes < 40_000)
        }
    }
}
