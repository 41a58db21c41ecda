import MeshBase
import Testing
import WanModel

@Suite struct WanNetworkTests {
    @Test func bothLegsDelaysAddUp() throws {
        var lab = try Lab("leg a delay 20ms", "leg b down delay 5ms")
        lab.send(from: 0, to: 1, at: 0)
        lab.send(from: 1, to: 0, at: 0)
        #expect(
            lab.arrivals(until: 100) == [
                .init(slot: 1, site: 0, microseconds: 20_000), .init(slot: 0, site: 1, microseconds: 25_000),
            ])
    }

    @Test func aPairsOwnDelayReplacesThoseOfItsLegs() throws {
        var lab = try Lab("leg a delay 20ms", "leg b delay 20ms", "pair a b delay 15ms")
        lab.send(from: 0, to: 1, at: 0)
        lab.send(from: 0, to: 2, at: 0)
        #expect(lab.arrivals(until: 100).map(\.microseconds) == [15_000, 20_000])
        try lab.apply("pair a b delay legs")
        lab.send(from: 0, to: 1, at: 100)
        #expect(lab.arrivals(until: 200).map(\.microseconds) == [140_000])
    }

    @Test func aLoweredDelayDoesNotReorderAFlow() throws {
        var lab = try Lab("leg a delay 50ms")
        lab.send(from: 0, to: 1, at: 0)
        try lab.apply("leg a delay 1ms")
        lab.send(from: 0, to: 1, at: 1)
        #expect(lab.arrivals(until: 100).map(\.slot) == [0, 1])
    }

    @Test func jitterStaysInItsBoundsAndReorders() throws {
        var lab = try Lab("leg a delay 20ms jitter 5ms")
        for index in 0..<1000 { lab.send(from: 0, to: 1, at: UInt64(index)) }
        let arrivals = lab.arrivals(until: 2000)
        #expect(arrivals.count == 1000)
        #expect(arrivals.map(\.slot) != arrivals.map(\.slot).sorted())
        let delays = arrivals.map { Int($0.microseconds) - Int($0.slot) * 1000 }
        #expect(delays.allSatisfy { (15_000...25_000).contains($0) })
        #expect(delays.contains { $0 < 17_000 } && delays.contains { $0 > 23_000 })
    }

    @Test func aRateSpacesPacketsAndABoundedQueueDropsTheRest() throws {
        // 8 Mbit/s: a packet of 1,000 bytes takes 1 ms; six wait or are being sent.
        var lab = try Lab("leg a rate 8mbit queue 6000")
        for _ in 0..<10 { lab.send(from: 0, to: 1, at: 0, byteCount: 1000) }
        #expect(lab.arrivals(until: 100).map(\.microseconds) == [1000, 2000, 3000, 4000, 5000, 6000])
        #expect(lab.network.countersJSON.contains("\"dropped_queue\":4"))
        lab.send(from: 0, to: 1, at: 200, byteCount: 1000)
        #expect(lab.arrivals(until: 300).map(\.microseconds) == [201_000])
    }

    @Test func lossIsNearItsShareAndASeedReplaysIt() throws {
        var seen: [[UInt32]] = []
        for _ in 0..<2 {
            var lab = try Lab("leg a loss 10%")
            for _ in 0..<10_000 { lab.send(from: 0, to: 1, at: 0) }
            seen.append(lab.arrivals(until: 10).map(\.slot))
        }
        // 9,000 expected, standard deviation 30.
        #expect((8850...9150).contains(seen[0].count))
        #expect(seen[0] == seen[1])
    }

    @Test func aDoubledPacketArrivesTwiceAndKeepsItsSlotBetween() throws {
        for leg in ["leg a up duplicate 100%", "leg b down duplicate 100%"] {
            var lab = try Lab(leg)
            lab.send(from: 0, to: 1, at: 0)
            let now = Instant.zero
            #expect(lab.network.next(at: now) == .deliverCopy(slot: 0, site: 1))
            #expect(lab.network.next(at: now) == .deliver(slot: 0, site: 1))
            #expect(lab.network.next(at: now) == nil)
            #expect(lab.network.countersJSON.contains("\"duplicated\":1"))
        }
        var lab = try Lab("leg a duplicate 10%")
        var copies = 0
        for _ in 0..<10_000 {
            lab.send(from: 0, to: 1, at: 0)
            while let outcome = lab.network.next(at: .zero) {
                if case .deliverCopy = outcome { copies += 1 }
            }
        }
        // 1,000 expected, standard deviation 30.
        #expect((850...1150).contains(copies))
    }

    @Test func aCutPairIsCutBothWaysUntilHealed() throws {
        var lab = try Lab("cut a b")
        #expect(lab.send(from: 0, to: 1, at: 0) == .cut)
        #expect(lab.send(from: 1, to: 0, at: 0) == .cut)
        #expect(lab.send(from: 0, to: 2, at: 0) == nil)
        try lab.apply("heal all all")
        #expect(lab.send(from: 0, to: 1, at: 0) == nil)
    }

    @Test func blockedUDPLeavesOtherProtocolsAlone() throws {
        var lab = try Lab("block udp a all")
        #expect(lab.send(from: 0, to: 1, at: 0, protocol: 17) == .blockedUDP)
        #expect(lab.send(from: 2, to: 0, at: 0, protocol: 17) == .blockedUDP)
        #expect(lab.send(from: 1, to: 2, at: 0, protocol: 17) == nil)
        #expect(lab.send(from: 0, to: 1, at: 0, protocol: 6) == nil)
    }

    @Test func version6IsRoutedAndItsUDPIsFoundBehindAFragmentHeader() throws {
        var lab = try Lab("block udp a b")
        #expect(lab.sendVersion6(to: 1, nextHeaders: [58]) == nil)
        #expect(lab.sendVersion6(to: 1, nextHeaders: [17]) == .blockedUDP)
        #expect(lab.sendVersion6(to: 1, nextHeaders: [44, 17]) == .blockedUDP)
        #expect(lab.sendVersion6(to: 9, nextHeaders: [58]) == .noRoute)
    }

    @Test func everyTruncationAndForeignBytesAreRefused() throws {
        var lab = try Lab()
        let packet = Lab.version4(to: 1, byteCount: 40, protocol: 6)
        for byteCount in 0..<20 {
            #expect(lab.submit(Array(packet.prefix(byteCount)), from: 0) == .malformed)
        }
        #expect(lab.submit([0x60] + [UInt8](repeating: 0, count: 38), from: 0) == .malformed)
        #expect(lab.submit([UInt8](repeating: 0xFF, count: 60), from: 0) == .malformed)
        #expect(lab.network.dropCount(.malformed) == 22)
    }

    @Test func theLongestPrefixWins() throws {
        var network = WanNetwork(seed: 1)
        let wide = try #require(InterfaceAddress(text: "0.0.0.0/0"))
        let narrow = try #require(InterfaceAddress(text: "10.0.0.1/24"))
        network.addSite("wide", prefixes: [wide])
        network.addSite("narrow", prefixes: [narrow])
        let packet = Lab.version4(to: 0, byteCount: 20, protocol: 6)
        let drop = network.submit(slot: 0, packet: packet.span.rawBytes, from: 0, at: .zero)
        #expect(drop == nil)
        #expect(network.next(at: .zero) == .deliver(slot: 0, site: 1))
    }

    @Test func asManySitesAsThereMayBeAndNoMore() {
        var network = WanNetwork(seed: 1)
        for index in 0..<WanNetwork.siteCountMax { #expect(network.addSite("s\(index)", prefixes: []) == index) }
        #expect(network.addSite("more", prefixes: []) == nil)
        var other = WanNetwork(seed: 1)
        #expect(other.addSite("twice", prefixes: []) == 0)
        #expect(other.addSite("twice", prefixes: []) == nil)
    }
}

/// Three sites a, b, c with the addresses 10.0.0.0, .1, .2 and fd00::, ::1, ::2.
private struct Lab {
    struct Arrival: Equatable {
        let slot: UInt32
        let site: Int
        let microseconds: UInt64
    }

    var network = WanNetwork(seed: 7)
    private var slotNext: UInt32 = 0

    init(_ commands: String...) throws {
        for (index, name) in ["a", "b", "c"].enumerated() {
            let prefixes = try ["10.0.0.\(index)/32", "fd00::\(index)/128"].map {
                try #require(InterfaceAddress(text: $0))
            }
            network.addSite(name, prefixes: prefixes)
        }
        for command in commands { try apply(command) }
    }

    mutating func apply(_ line: String) throws {
        let command = try #require(try WanCommand.parse(line))
        _ = try network.apply(command)
    }

    @discardableResult
    mutating func send(
        from: Int, to: UInt8, at milliseconds: UInt64, byteCount: Int = 100, protocol kind: UInt8 = 6
    ) -> WanNetwork.Drop? {
        submit(Self.version4(to: to, byteCount: byteCount, protocol: kind), from: from, at: milliseconds)
    }

    mutating func sendVersion6(to: UInt8, nextHeaders: [UInt8]) -> WanNetwork.Drop? {
        var packet = [UInt8](repeating: 0, count: 60)
        packet[0] = 0x60
        packet[6] = nextHeaders[0]
        packet[24] = 0xFD
        packet[39] = to
        if nextHeaders.count > 1 { packet[40] = nextHeaders[1] }
        return submit(packet, from: 0)
    }

    mutating func submit(_ packet: [UInt8], from: Int, at milliseconds: UInt64 = 0) -> WanNetwork.Drop? {
        defer { slotNext += 1 }
        let now = Instant.zero.advanced(milliseconds: milliseconds)
        return network.submit(slot: slotNext, packet: packet.span.rawBytes, from: from, at: now)
    }

    /// What arrives, each at the deadline the network itself asks for.
    mutating func arrivals(until milliseconds: UInt64) -> [Arrival] {
        var arrivals: [Arrival] = []
        while let deadline = network.deadline, deadline <= Instant.zero.advanced(milliseconds: milliseconds) {
            while let outcome = network.next(at: deadline) {
                guard case .deliver(let slot, let site) = outcome else { continue }
                arrivals.append(Arrival(slot: slot, site: site, microseconds: deadline.nanoseconds / 1000))
            }
        }
        return arrivals
    }

    static func version4(to: UInt8, byteCount: Int, protocol kind: UInt8) -> [UInt8] {
        var packet = [UInt8](repeating: 0, count: byteCount)
        packet[0] = 0x45
        packet[9] = kind
        packet[16] = 10
        packet[19] = to
        return packet
    }
}
