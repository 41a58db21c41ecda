import Glibc
import MeshBase
import MeshTransport
import NIOCore
import NIOPosix
import Testing

/// Our STUN against somebody else's, on loopback.
extension LabTests.WanEmulatorTests {
    private static let isInstalled = (try? shell("command -v turnserver"))?.status == 0
    private static let reason: Comment = "coturn is not installed (Lab/install-dependencies.sh tries to)"

    private func endpoint(_ last: UInt8, _ port: UInt16) throws -> Endpoint {
        Endpoint(address: try #require(IPAddress(bytes: [127, 0, 0, last])), port: port)
    }

    /// A server with two addresses and, as coturn's programs expect, the same two ports at both.
    private func server(_ loop: any EventLoop) async throws -> StunServer {
        for _ in 0..<20 {
            let chosen = try await StunServer.listen(on: [try endpoint(1, 0)], eventLoop: loop).get()
            let port = chosen.port
            try await chosen.close().get()
            let endpoints = [try endpoint(1, port), try endpoint(2, port)]
            guard let made = try? await StunServer.listen(on: endpoints, eventLoop: loop).get() else { continue }
            if made.alternateEndpoints.count == 2 { return made }
            try await made.close().get()
        }
        throw TransportError.failed("no two ports in a row are free at both addresses")
    }

    @Test(.enabled(if: isInstalled, reason))
    func coturnsProgramsUnderstandOurServer() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await server(loop)
        let port = server.port
        let client = try shell("timeout 10 turnutils_stunclient -p \(port) 127.0.0.1")
        #expect(client.status == 0)
        #expect(client.output.contains("Other addr: : 127.0.0.2:\(port + 1)"), "\(client.output)")
        #expect(client.output.contains("UDP reflexive addr: 127.0.0.1:"), "\(client.output)")
        // With PADDING; and how long a mapping lives, by RESPONSE-PORT.
        let lifetime = try shell("timeout 30 turnutils_natdiscovery -t -T 1 -p \(port) 127.0.0.1")
        #expect(lifetime.status == 0, "\(lifetime.output)")
        let padded = try shell("timeout 30 turnutils_natdiscovery -m -f -P -p \(port) 127.0.0.1")
        #expect(padded.output.contains("NAT with Endpoint Independent Filtering"), "\(padded.output)")
        let discovery = try shell("timeout 30 turnutils_natdiscovery -m -f -p \(port) 127.0.0.1")
        #expect(discovery.output.contains("NAT with Endpoint Independent Mapping"), "\(discovery.output)")
        #expect(discovery.output.contains("NAT with Endpoint Independent Filtering"), "\(discovery.output)")
        try await server.close().get()
    }

    private static let hasClassicClient = (try? shell("command -v stun"))?.status == 0
    private static let classicReason: Comment = "stun-client is not installed (Lab/install-dependencies.sh tries to)"

    @Test(.enabled(if: hasClassicClient, classicReason))
    func aClientOfTheFirstStunIsToldThatNothingIsInItsWay() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await server(loop)
        let client = try shell("timeout 30 stun 127.0.0.1:\(server.port)")
        #expect(client.output.contains("Primary: Open"), "\(client.output)")
        try await server.close().get()
    }

    @Test(.enabled(if: isInstalled, reason))
    func ourClientUnderstandsCoturnsServer() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        // A port of the kernel's choice that was free a moment ago.
        let chosen = try await StunServer.listen(on: [try endpoint(1, 0)], eventLoop: loop).get()
        let port = chosen.port
        try await chosen.close().get()
        let started = try shell(
            "directory=$(mktemp -d); turnserver -n -S -L 127.0.0.1 -p \(port) --no-tls --no-dtls --no-cli --no-tcp "
                + "--log-file stdout --pidfile $directory/pid >$directory/log 2>&1 </dev/null & echo pid $!")
        let pid = pid_t(try #require(started.value("pid"), "\(started.output)"))
        defer { kill(pid, SIGKILL) }
        let seen = try await StunClient.binding(to: try endpoint(1, port), on: loop, timeoutMilliseconds: 10_000).get()
        #expect(seen.address == (try endpoint(1, 0)).address && seen.port != 0)
    }
}
