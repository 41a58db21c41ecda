import MeshBase
import MeshEthernet
import Testing

@Suite struct EthernetSwitchTests {
    private let hostA: UInt64 = 0x0200_0000_000A
    private let hostB: UInt64 = 0x0200_0000_000B

    @Test func unknownUnicastBroadcastAndMulticastGoToAllPeers() {
        var bench = Bench()
        for destination in [hostB, Frames.broadcast, 0x0100_5E00_00FB, 0x3333_0000_0001] {
            #expect(bench.local(Frames.ethernet(to: destination, from: hostA)) == .forward)
            #expect(bench.targets == [0, 1, 2])
        }
        #expect(bench.ethernet.counters.flooded == 4)
        #expect(bench.ethernet.counters.forwarded == 0)
    }

    @Test func knownUnicastGoesToItsPeerAlone() {
        var bench = Bench()
        #expect(bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB), on: 1) == .deliver)
        #expect(bench.local(Frames.ethernet(to: hostB, from: hostA)) == .forward)
        #expect(bench.targets == [1])
        #expect(bench.ethernet.counters.forwarded == 1)
        #expect(bench.ethernet.counters.addressesLearned == 2)
    }

    @Test func knownUnicastNeedsNoRoomBeyondWhatTheCallerReserved() {
        var bench = Bench()
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB), on: 1)
        bench.ports.reserveCapacity(4)
        let capacity = bench.ports.capacity
        for _ in 0..<1_000 { _ = bench.local(Frames.ethernet(to: hostB, from: hostA)) }
        #expect(bench.ports.capacity == capacity)
        #expect(bench.targets == [1])
    }

    @Test func aRemovedPortGetsNothingAndItsAddressesAreForgotten() {
        var bench = Bench()
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB), on: 1)
        bench.ethernet.removePort(port(1))
        #expect(bench.local(Frames.ethernet(to: hostB, from: hostA)) == .forward)
        #expect(bench.targets == [0, 2])
        #expect(bench.peer(Frames.ethernet(to: hostA, from: hostB), on: 1) == .drop(.unknownPort))
        #expect(bench.peer(Frames.ethernet(to: hostA, from: hostB), on: -1) == .drop(.unknownPort))
    }

    @Test func portsOutsideTheRangeAreRefused() {
        var bench = Bench(ports: 0)
        #expect(bench.ethernet.addPort(port(-1)) == false)
        #expect(bench.ethernet.addPort(port(EthernetSwitch.portsMax)) == false)
        #expect(bench.ethernet.addPort(port(EthernetSwitch.portsMax - 1)) == true)
        #expect(bench.ethernet.addPort(port(EthernetSwitch.portsMax - 1)) == true)
        bench.ethernet.removePort(port(-5))
        bench.ethernet.removePort(port(99_999))
    }

    @Test func withoutPeersNothingIsForwarded() {
        var bench = Bench(ports: 0)
        #expect(bench.ethernet.deadline == nil)
        #expect(bench.local(Frames.ethernet(to: hostB, from: hostA)) == .drop(.noPort))
        #expect(bench.timeout(at: 1).isEmpty)
        #expect(bench.ethernet.deadline == instant(11), "addresses are swept")
    }

    @Test func framesBetweenLocalStationsStayLocal() {
        var bench = Bench()
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostA))
        #expect(bench.local(Frames.ethernet(to: hostA, from: hostB)) == .drop(.localDestination))
    }

    @Test func groupAndZeroSourcesAreDroppedAndNeverLearned() {
        var bench = Bench()
        for source in [Frames.broadcast, 0x0100_5E00_0001, 0] {
            #expect(bench.local(Frames.ethernet(to: hostB, from: source)) == .drop(.invalidSource))
            #expect(bench.peer(Frames.ethernet(to: hostB, from: source), on: 0) == .drop(.invalidSource))
        }
        #expect(bench.ethernet.addressCount == 0)
        #expect(bench.dropped(.invalidSource) == 6)
    }

    @Test func aLocalAddressIsNeverLearnedFromTheMesh() {
        var bench = Bench(.init(localAddress: EthernetAddress(value: hostB)))
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostA))
        #expect(bench.peer(Frames.ethernet(to: hostB, from: hostA), on: 0) == .drop(.localSource))
        #expect(bench.peer(Frames.ethernet(to: hostA, from: hostB), on: 0, at: 5_000) == .drop(.localSource))
        #expect(bench.peer(Frames.ethernet(to: hostA, from: hostB), on: 0, at: 5_001) == .drop(.localSource))
        #expect(bench.local(Frames.ethernet(to: hostA, from: 0x0200_0000_000C), at: 2) == .drop(.localDestination))
        let claims = bench.ethernet.takeEvents()
        #expect(
            claims == [
                .localAddressClaimed(.init(value: hostA), by: port(0)),
                .localAddressClaimed(.init(value: hostB), by: port(0)),
            ])
    }

    @Test func aLocalStationMayMoveToTheMeshOnceItWasSilentForTheWholeAge() {
        var bench = Bench()
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostA), at: 0)
        #expect(bench.peer(Frames.ethernet(to: hostB, from: hostA), on: 0, at: 299) == .drop(.localSource))
        #expect(bench.peer(Frames.ethernet(to: hostB, from: hostA), on: 0, at: 300) == .deliver)
    }

    @Test func aStationThatMovesFromAPeerToTheLocalSideIsLocalAtOnce() {
        var bench = Bench()
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB), on: 1)
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostB))
        #expect(bench.local(Frames.ethernet(to: hostB, from: hostA)) == .drop(.localDestination))
        #expect(bench.ethernet.counters.addressesMoved == 1)
    }

    @Test func beyondThePeersLimitFramesAreDeliveredButNotLearned() {
        var bench = Bench(.init(addressesPerPeerMax: 256))
        for value in 0..<300 as Range<UInt64> {
            #expect(bench.peer(Frames.ethernet(to: hostA, from: 0x0200_0001_0000 + value), on: 0) == .deliver)
        }
        #expect(bench.ethernet.addressCount == 256)
        #expect(bench.ethernet.counters.addressesNotLearned == 44)
        #expect(bench.ethernet.takeEvents() == [.addressLimitReached(port(0))])
        #expect(bench.local(Frames.ethernet(to: 0x0200_0001_0000 + 299, from: hostA)) == .forward)
        #expect(bench.targets == [0, 1, 2])
    }

    @Test func aFlappingAddressIsHeldDeliveredAndReportedOnce() {
        var bench = Bench()
        for index in 0...20 {
            let time = 1 + Double(index) / 100
            #expect(bench.peer(Frames.ethernet(to: hostA, from: hostB), on: index % 2, at: time) == .deliver)
        }
        #expect(bench.ethernet.counters.addressesMoved == UInt64(AddressTable.movesMax))
        #expect(
            bench.ethernet.takeEvents() == [
                .addressFlapping(.init(value: hostB), heldAt: port(1), claimedAt: port(0))
            ])
        _ = bench.local(Frames.ethernet(to: hostB, from: hostA), at: 2)
        #expect(bench.targets == [1])
        #expect(bench.ethernet.counters.movesDamped > 0)
    }

    @Test func malformedFramesAreDroppedByReason() {
        var bench = Bench()
        #expect(bench.local([1, 2, 3]) == .drop(.runt))
        #expect(bench.peer([], on: 0) == .drop(.runt))
        let tagged = Frames.ethernet(to: 2, from: 4, tags: [(0x8100, 1)]).prefix(16)
        #expect(bench.local(Array(tagged)) == .drop(.truncatedTag))
        #expect(bench.peer([UInt8](repeating: 2, count: 65_536), on: 0) == .drop(.oversized))
        #expect(bench.dropped(.runt) == 2)
        #expect(bench.dropped(.truncatedTag) == 1)
        #expect(bench.dropped(.oversized) == 1)
        #expect(bench.ethernet.counters.dropped == 4)
    }

    @Test func bridgeProtocolsAreDroppedUnlessConfiguredAndPauseFramesAlways() {
        var closed = Bench()
        var open = Bench(.init(forwardsBridgeProtocol: true))
        for low in 0..<16 as Range<UInt64> {
            let frame = Frames.ethernet(to: 0x0180_C200_0000 + low, from: hostA)
            #expect(closed.local(frame) == .drop(.bridgeProtocol))
            #expect(
                closed.peer(Frames.ethernet(to: 0x0180_C200_0000 + low, from: hostB), on: 0) == .drop(.bridgeProtocol))
            #expect(open.local(frame) == (low == 1 ? .drop(.bridgeProtocol) : .forward))
        }
        for cisco in [0x0100_0CCC_CCCC, 0x0100_0CCC_CCCD] as [UInt64] {
            #expect(closed.local(Frames.ethernet(to: cisco, from: hostA)) == .drop(.bridgeProtocol))
            #expect(open.local(Frames.ethernet(to: cisco, from: hostA)) == .forward)
        }
        #expect(closed.local(Frames.ethernet(to: 0x0180_C200_0010, from: hostA)) == .forward)
        #expect(closed.dropped(.bridgeProtocol) == 34)
    }

    @Test func taggedFramesAreSwitchedByAddress() {
        var bench = Bench()
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB, tags: [(0x88A8, 5), (0x8100, 6)]), on: 2)
        #expect(bench.local(Frames.ethernet(to: hostB, from: hostA, tags: [(0x8100, 9)])) == .forward)
        #expect(bench.targets == [2])
    }

    @Test func everyReasonHasItsOwnCounterAndName() {
        #expect(DropReason.allCases.map(\.rawValue) == Array(0..<15))
        #expect(Set(DropReason.allCases.map(\.description)).count == 15)
    }

    @Test func eventsAreBoundedAndLossIsCounted() {
        var bench = Bench(ports: 200)
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostA))
        for value in 0..<200 { _ = bench.peer(Frames.ethernet(to: hostB, from: hostA), on: value) }
        #expect(bench.ethernet.takeEvents().count == EthernetSwitch.eventsMax)
        #expect(bench.ethernet.counters.eventsLost == 200 - UInt64(EthernetSwitch.eventsMax))
        #expect(bench.ethernet.takeEvents().isEmpty)
    }

    @Test func theTableIsShownWithPlaceAndAge() {
        var bench = Bench()
        _ = bench.local(Frames.ethernet(to: Frames.broadcast, from: hostA), at: 1)
        _ = bench.peer(Frames.ethernet(to: Frames.broadcast, from: hostB), on: 2, at: 3)
        let shown = bench.ethernet.learnedAddresses(at: instant(6)).sorted { $0.ageSeconds < $1.ageSeconds }
        #expect(shown.map(\.address.value) == [hostB, hostA])
        #expect(shown.map(\.port) == [port(2), nil])
        #expect(shown.map(\.ageSeconds) == [3, 5])
        _ = bench.timeout(at: 302)
        #expect(bench.ethernet.learnedAddresses(at: instant(302)).map(\.address.value) == [hostB])
        #expect(bench.ethernet.addressCount == 1)
    }
}
