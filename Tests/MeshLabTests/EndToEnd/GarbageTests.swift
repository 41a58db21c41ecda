import Glibc
import MeshControl
import Testing

extension LabTests.GarbageTests {
    /// Bytes for every kind of port, as Python expressions; seeded, so that a failure replays.
    private static let bytes = """
        import random, socket, ssl, struct, sys, base64
        rng = random.Random(0x5EED)
        host, port = sys.argv[1], int(sys.argv[2])
        raw = [b"", b"\\0", b"GET / HTTP/1.1\\r\\n\\r\\n", rng.randbytes(1), rng.randbytes(65536), b"A" * 1000000,
            b"\\x16\\x03\\x01\\xff\\xff" + rng.randbytes(70000), b"\\x16\\x03\\x01\\x00\\x05\\x01\\x00\\x00\\x01\\x00",
            b"\\x16\\x03\\x03" + bytes(5000)]

        def tcp(data):
            with socket.create_connection((host, port), timeout=5) as channel:
                try:
                    channel.sendall(data)
                    channel.shutdown(socket.SHUT_WR)
                    channel.settimeout(5)
                    while channel.recv(65536): pass
                except OSError: pass

        def inside(data, upgrade=True, path="/shadowmesh/v1"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection((host, port), timeout=5) as channel:
                try:
                    with context.wrap_socket(channel) as tls:
                        if upgrade:
                            key = base64.b64encode(rng.randbytes(16)).decode()
                            tls.sendall((f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\n"
                                f"Connection: Upgrade\\r\\nSec-WebSocket-Key: {key}\\r\\n"
                                "Sec-WebSocket-Version: 13\\r\\n\\r\\n").encode())
                            answer = tls.recv(4096)
                            if path == "/shadowmesh/v1" and b" 101 " not in answer: print("no upgrade", answer[:60])
                        tls.sendall(data)
                        tls.settimeout(1)
                        while tls.recv(65536): pass
                except OSError: pass

        def frame(payload, opcode=2, fin=0x80, mask=True):
            head = bytes([fin | opcode])
            n = len(payload)
            bit = 0x80 if mask else 0
            if n < 126: head += bytes([bit | n])
            elif n < 65536: head += bytes([bit | 126]) + struct.pack("!H", n)
            else: head += bytes([bit | 127]) + struct.pack("!Q", n)
            return head + (bytes(4) if mask else b"") + payload

        for data in raw: tcp(data)
        frames = [rng.randbytes(3000), frame(b"hi", mask=False), frame(b"x", opcode=1), frame(b"x", opcode=7),
            frame(b"x", fin=0xF0), b"\\x82\\xff" + struct.pack("!Q", 1 << 62), frame(b""), frame(b"\\0"),
            frame(b"\\xff\\xff"), frame(b"\\0\\1\\0\\0\\0\\0"), frame(b"\\0\\0\\0\\0\\0\\0"), frame(rng.randbytes(70000)),
            frame(struct.pack("!HI", 4, 0) + b"\\1\\2\\3\\4"), frame(struct.pack("!HI", 4, 7) + b"\\1\\2\\3\\4"),
            frame(struct.pack("!H", 4) + b"\\1\\2\\3\\4"), frame(struct.pack("!H", 60000) + b"\\x41")]
        for kind in range(256): frames.append(frame(struct.pack("!HI", 40, 0) + bytes([kind]) + rng.randbytes(39))
            + frame(struct.pack("!H", 40) + bytes([kind]) + rng.randbytes(39)))
        for data in frames[:16] + frames[16::16]: inside(data)
        inside(b"X" * 100000, upgrade=False)
        inside(b"", path="/else")
        for count in (0, 1, 7, 20, 1400, 65000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
                for _ in range(20): datagram.sendto(rng.randbytes(count), (host, 3478))
                datagram.sendto(b"\\0\\1" + struct.pack("!H", count & 0xFFFC) + b"\\x21\\x12\\xa4\\x42" + rng.randbytes(12 + count // 2), (host, 3478))
        print("done")
        """

    @Test func garbageAtTheRelayDisturbsNobody() throws {
        let (lab, relays, _) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        let stream = try lab.ping(from: "a", to: "b")
        try lab.write("garbage.py", Self.bytes)
        let sent = try lab.run("b", "python3 \(lab.directory)/garbage.py \(lab.address("relay")) 443")
        #expect(sent.output.hasSuffix("done\n"), "\(sent.output)")
        #expect(!sent.output.contains("no upgrade"), "\(sent.output)")
        let gap = try lab.longestGap(stream)
        print("garbage at the relay: \(gap) s without an answer at most")
        #expect(gap < 1)
        #expect(try shell("test -d /proc/\(relays[0].pid)").status == 0)
        let metrics = try lab.run("a", "curl -sk https://\(lab.address("relay"))/metrics")
        #expect(metrics.output.contains("shadowmesh_relay_clients 2"), "\(metrics.output)")
        let counted = metrics.output.split(separator: "\n").filter {
            ["dropped_total{", "refused_connections_total{", "stun_requests_total{"].contains(where: $0.contains)
                && !$0.hasSuffix(" 0")
        }
        print(counted.joined(separator: "\n"))
        for reason in ["reason=\"malformed", "reason=\"tls_failed", "reason=\"bad_request", "result=\"malformed"] {
            #expect(counted.contains { $0.contains(reason) }, "\(reason): \(metrics.output)")
        }
    }

    @Test func garbageAtANodesPortDisturbsNobody() throws {
        let lab = try MeshLab(["a", "b", "c"])
        defer { lab.close() }
        let (a, b) = (try lab.identity("a"), try lab.identity("b"))
        try lab.configure("a", peers: [.init(name: "b", id: b)], more: "listen_address: 0.0.0.0:8443")
        try lab.configure("b", peers: [.init(name: "a", id: a, address: "\(lab.address("a")):8443")])
        let daemon = try lab.up("a")
        _ = try lab.up("b")
        try lab.waitEstablished("a", "b")
        let stream = try lab.ping(from: "b", to: "a")
        try lab.write("garbage.py", Self.bytes)
        let sent = try lab.run("c", "python3 \(lab.directory)/garbage.py \(lab.address("a")) 8443")
        #expect(sent.output.hasSuffix("done\n") && !sent.output.contains("no upgrade"), "\(sent.output)")
        #expect(try lab.longestGap(stream) < 1)
        #expect(try shell("test -d /proc/\(daemon.pid)").status == 0)
        let counters = try #require(try lab.status("a")).counters
        print("\(counters)")
        #expect((counters["message_malformed"] ?? 0) > 0)
        for reason in ["listener_refused_tls_failed", "listener_refused_bad_request", "listener_closed_violation"] {
            #expect((counters[reason] ?? 0) > 0, "\(reason)")
        }
    }

    @Test func garbageAtTheControlSocketIsAnswered() throws {
        let (lab, _, nodes) = try MeshLab.mesh(of: ["a", "b"])
        defer { lab.close() }
        try lab.write(
            "control.py",
            """
            import random, socket, sys
            rng = random.Random(0x5EED)
            for data in [b"", b"\\n", b"{}\\n", b"{", b"[" * 100000 + b"\\n", rng.randbytes(5000) + b"\\n", b"x" * 5000000,
                b'{"version":1,"request":"ping"}\\n', b'{"version":9,"request":"status"}\\n', b'{"version":1,"request":"x"}\\n']:
                with socket.socket(socket.AF_UNIX) as channel:
                    channel.connect(sys.argv[1])
                    channel.settimeout(5)
                    try:
                        channel.sendall(data)
                        channel.shutdown(socket.SHUT_WR)
                        print(channel.recv(300)[:120])
                    except OSError as error: print(error)
            held = []
            for _ in range(200):
                channel = socket.socket(socket.AF_UNIX)
                channel.settimeout(1)
                try: channel.connect(sys.argv[1])
                except OSError: break
                held.append(channel)
            print("held", len(held))
            """)
        let sent = try lab.run("a", "python3 \(lab.directory)/control.py \(lab.directory)/a.sock")
        #expect(sent.output.contains("held"), "\(sent.output)")
        #expect(try shell("test -d /proc/\(nodes[0].pid)").status == 0)
        #expect(try lab.status("a")?.peers.first?.state == .established)
    }
}
