import Glibc
import MeshControl
import Testing

/// What only a hostile or careless surrounding does to a daemon that runs.
extension LabTests.EdgeTests {
    @Test func aFrameThatIsTooLongForARecordIsCountedAndHarmsNothing() throws {
        let (lab, _, _) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let mac = try #require(try lab.status("b")?.tap.mac)
        let sent = try lab.run(
            "a",
            "ip link set chr-001 mtu 65521 && ip neigh replace \(lab.overlay("b")) lladdr \(mac) dev chr-001 "
                + "nud permanent && ping -c 3 -i 0.2 -W 1 -s 65493 \(lab.overlay("b"))")
        #expect(sent.output.contains("3 packets transmitted"), "\(sent.output)")
        try lab.wait("the frames are counted") { (try lab.status("a")?.peers.first?.losses["too_long"] ?? 0) >= 3 }
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 \(lab.overlay("b"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
    }

    @Test func theFourthRelayServesWhenTheFirstThreeAreGone() throws {
        let names = ["r1", "r2", "r3", "r4"]
        let (lab, relays, _) = try MeshLab.mesh(of: ["a", "b"], relays: names)
        defer { lab.close() }
        let before = try #require(try lab.status("a"))
        #expect(before.relays.map { $0.state == "spare" } == [false, false, false, true])
        for relay in relays.prefix(3) { lab.signal(relay, SIGKILL) }
        try lab.wait("both are at the fourth relay", seconds: 30) {
            try ["a", "b"].allSatisfy { try lab.status($0)?.relays.last?.state == "connected" }
        }
        try lab.wait("frames flow by it") {
            try lab.run("a", "ping -c 1 -W 1 \(lab.overlay("b"))").status == 0
        }
        try lab.wait("the round trip to the relay is shown") {
            try lab.status("a")?.relays.last?.rttMicroseconds != nil
        }
    }

    @Test func aTapDeviceThatIsDeletedEndsTheDaemonWithAnError() throws {
        let (lab, _, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        try lab.run("a", "ip link delete chr-001")
        #expect(try lab.exitStatus(nodes[0]) == 1)
        #expect(lab.log("a").contains("the interface chr-001 is gone"), "\(lab.log("a"))")
    }

    @Test func aCredentialOfSystemdEncryptsTheIdentityAndOpensItAtStart() throws {
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        let credentials = "CREDENTIALS_DIRECTORY=\(lab.directory)/credentials"
        try shell("mkdir \(lab.directory)/credentials")
        try lab.write("credentials/shadowmesh-passphrase", "open sesame\n")
        let identity = "\(lab.directory)/a.identity"
        let made = try shell("env \(credentials) \(MeshLab.program) init --identity \(identity)")
        #expect(made.status == 0, "\(made.output)")
        // The protection byte of an encrypted file (IdentityFile).
        #expect(try shell("od -An -tu1 -j17 -N1 \(identity)").output.contains(" 1"))
        try lab.configure("a", peers: [], more: "listen_address: \(lab.address("a")):443")
        let refused = try lab.run("a", "timeout 8 \(MeshLab.program) up --config \(lab.directory)/a.yaml")
        #expect(refused.status == 1 && refused.output.contains("no passphrase"), "\(refused.output)")
        let daemon = try lab.up("a", prefix: "env \(credentials)")
        try lab.wait("the daemon answers") { try lab.status("a") != nil }
        #expect(try lab.status("a")?.id == made.output.split(separator: "\n").first.map(String.init))
        let watched = try shell(
            "timeout 4 \(MeshLab.program) status --watch --json --socket \(lab.directory)/a.sock; true")
        #expect(watched.output.split(separator: "\n").count { $0.hasPrefix("{") } >= 2, "\(watched.output)")
        lab.signal(daemon, SIGTERM)
        #expect(try lab.exitStatus(daemon) == 0)
    }

    @Test func anExactNameIsThePeerAlsoWhenAnIDBeginsWithIt() throws {
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        _ = try lab.identity("a")
        let (first, second) = (try lab.identity("first"), try lab.identity("second"))
        let name = String(first.prefix(4))
        try lab.configure(
            "a", peers: [.init(name: "other", id: first), .init(name: name, id: second)],
            more: "listen_address: \(lab.address("a")):443")
        _ = try lab.up("a")
        try lab.wait("the daemon answers") { try lab.status("a") != nil }
        let named = try lab.control("a", "ping -c 1 \(name)")
        #expect(named.output.contains("there is no session with \(name)"), "\(named.output)")
        let begun = try lab.control("a", "ping -c 1 \(first.prefix(6))")
        #expect(begun.output.contains("there is no session with other"), "\(begun.output)")
    }

    /// Opens WebSockets and sends what `argv` says on each; prints how many are open after a second and at the end.
    private static let strangers = """
        import base64, os, socket, ssl, struct, sys, time
        host, port, count, wait, byte_count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        channels = []
        for _ in range(count):
            tls = context.wrap_socket(socket.create_connection((host, port), timeout=5))
            key = base64.b64encode(os.urandom(16)).decode()
            tls.sendall((f"GET /shadowmesh/v1 HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                f"Sec-WebSocket-Key: {key}\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n").encode())
            assert b" 101 " in tls.recv(4096)
            if byte_count: tls.sendall(b"\\x82\\xff" + struct.pack("!Q", byte_count) + bytes(4))
            channels.append(tls)

        def open_count():
            left = 0
            for tls in channels:
                tls.settimeout(0.01)
                try:
                    # Pings (0x89) may lie before the close frame (0x88); frames of a server are short and not masked.
                    while data := tls.recv(4096):
                        while len(data) > 1 and data[0] != 0x88: data = data[2 + (data[1] & 0x7F):]
                        if data: break
                except TimeoutError: left += 1
                except OSError: pass
            return left

        time.sleep(1)
        print("after_a_second", open_count(), flush=True)
        time.sleep(wait)
        print("at_the_end", open_count(), flush=True)
        """

    @Test func strangersConnectionsAreFewShortAndSmall() throws {
        let lab = try MeshLab(["a", "b"])
        defer { lab.close() }
        let (a, b) = (try lab.identity("a"), try lab.identity("b"))
        let address = "\(lab.address("a")):8443"
        try lab.configure("a", peers: [.init(name: "b", id: b)], more: "mode: direct\nlisten_address: \(address)")
        try lab.configure("b", peers: [.init(name: "a", id: a, address: address)], more: "mode: direct")
        let nodes = [try lab.up("a"), try lab.up("b")]
        try lab.waitEstablished("a", "b")
        try lab.write("strangers.py", Self.strangers)
        let command = "python3 \(lab.directory)/strangers.py \(lab.address("a")) 8443"
        let idle = try lab.run("b", "\(command) 40 16 0")
        #expect(idle.value("after_a_second").map { (1...16).contains($0) } == true, "\(idle.output)")
        #expect(idle.value("at_the_end") == 0, "\(idle.output)")
        let large = try lab.run("b", "\(command) 5 0 16385")
        #expect(large.value("after_a_second") == 0, "\(large.output)")
        #expect(try lab.status("a")?.counters["connection_unproven"].map { $0 >= 40 } == true)
        let ping = try lab.run("a", "ping -c 3 -i 0.2 -W 2 -s 1300 \(lab.overlay("b"))")
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
        withExtendedLifetime(nodes) {}
    }
}
