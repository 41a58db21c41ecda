import MeshBase
import MeshEthernet
import Testing

@Suite struct TunnelEndpointsTests {
    private let version6: [UInt8] = Frames.bytes(0x2001_0DB8_0000_0000, 8) + Frames.bytes(0x77, 8)

    private func makeBench() throws -> Bench {
        var bench = Bench()
        bench.ethernet.setTunnelEndpoints([
            Endpoint(address: try #require(IPAddress(bytes: [192, 0, 2, 7])), port: 51_820),
            Endpoint(address: try #require(IPAddress(bytes: version6)), port: 51_821),
        ])
        bench.ethernet.setTunnelSockets(TunnelSockets(ports: [5_000]))
        return bench
    }

    private func frame(_ packet: [UInt8], type: UInt16 = 0x0800, tags: [(UInt16, UInt16)] = []) -> [UInt8] {
        Frames.ethernet(to: 0x0200_0000_000B, from: 0x0200_0000_000A, type: type, tags: tags, payload: packet)
    }

    @Test func datagramsToAnEndpointAreDropped() throws {
        var bench = try makeBench()
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0207, port: 51_820))) == .drop(.tunnelInsideTunnel))
        let options = Frames.datagram4(to: 0xC000_0207, port: 51_820, optionWords: 3)
        #expect(bench.local(frame(options, tags: [(0x8100, 4)])) == .drop(.tunnelInsideTunnel))
        let packet6 = Frames.datagram6(to: version6, port: 51_821)
        #expect(bench.local(frame(packet6, type: 0x86DD)) == .drop(.tunnelInsideTunnel))
        #expect(bench.dropped(.tunnelInsideTunnel) == 3)
    }

    @Test func extensionHeadersAreLookedThrough() throws {
        var bench = try makeBench()
        let hops: [UInt8] = [44, 1] + [UInt8](repeating: 0, count: 14)
        let fragment: [UInt8] = [17, 0, 0, 1, 0, 0, 0, 5]
        let packet = Frames.datagram6(to: version6, port: 51_821, extensions: hops + fragment, next: 0)
        #expect(bench.local(frame(packet, type: 0x86DD)) == .drop(.tunnelInsideTunnel))
        let later: [UInt8] = [17, 0, 0, 8, 0, 0, 0, 5]
        let second = Frames.datagram6(to: version6, port: 51_821, extensions: later, next: 44)
        #expect(bench.local(frame(second, type: 0x86DD)) == .forward)
    }

    @Test func everythingElsePasses() throws {
        var bench = try makeBench()
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0207, port: 51_821))) == .forward)
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0208, port: 51_820))) == .forward)
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0207, port: 51_820, proto: 6))) == .forward)
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0207, port: 51_820, fragmentOffset: 9))) == .forward)
        #expect(bench.local(frame(Frames.datagram6(to: version6, port: 51_820), type: 0x86DD)) == .forward)
    }

    /// A host that is bridged to the TAP may well talk to a peer's address, also from the very port that this node has.
    @Test func onlyDatagramsOfTheNodesOwnSocketsAreDropped() throws {
        var bench = try makeBench()
        let packet = frame(Frames.datagram4(to: 0xC000_0207, port: 51_820))
        let packet6 = frame(Frames.datagram6(to: version6, port: 51_821), type: 0x86DD)
        let (own, own6) = (IPAddress(bytes: [10, 0, 0, 9]), IPAddress(bytes: Frames.linkLocal(9)))
        let other = IPAddress(bytes: [10, 0, 0, 8])
        let cases: [(TunnelSockets, EthernetSwitch.LocalVerdict)] = [
            (TunnelSockets(ports: [5_001]), .forward), (TunnelSockets(), .forward),
            (TunnelSockets(ports: [5_000, 5_001]), .drop(.tunnelInsideTunnel)),
            (TunnelSockets(ports: [5_000], addresses: [try #require(other)]), .forward),
            (
                TunnelSockets(ports: [5_000], addresses: [try #require(own), try #require(own6)]),
                .drop(.tunnelInsideTunnel)
            ),
        ]
        for (sockets, verdict) in cases {
            bench.ethernet.setTunnelSockets(sockets)
            #expect(bench.local(packet) == verdict, "\(sockets)")
            #expect(bench.local(packet6) == verdict, "\(sockets)")
        }
    }

    @Test func theListIsReplacedNotExtended() throws {
        var bench = try makeBench()
        bench.ethernet.setTunnelEndpoints([])
        #expect(bench.local(frame(Frames.datagram4(to: 0xC000_0207, port: 51_820))) == .forward)
    }

    @Test func everyTruncationPassesOrIsDroppedWithoutTrapping() throws {
        var bench = try makeBench()
        let hops: [UInt8] = [17, 255] + [UInt8](repeating: 0, count: 6)
        for whole in [
            frame(Frames.datagram4(to: 0xC000_0207, port: 51_820, optionWords: 10)),
            frame(Frames.datagram6(to: version6, port: 51_821), type: 0x86DD),
            frame(Frames.datagram6(to: version6, port: 51_821, extensions: hops, next: 0), type: 0x86DD),
        ] {
            for byteCount in 14...whole.count { _ = bench.local(Array(whole.prefix(byteCount))) }
        }
        #expect(bench.dropped(.tunnelInsideTunnel) > 0)
    }
}
