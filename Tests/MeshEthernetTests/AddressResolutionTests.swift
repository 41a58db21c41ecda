import MeshBase
import MeshEthernet
import Testing

@Suite struct AddressResolutionTests {
    private let asker: UInt64 = 0x0200_0000_000A
    private let owner: UInt64 = 0x0200_0000_000B
    private let other: UInt64 = 0x0200_0000_000C
    private let askerAddress: UInt32 = 0x0A00_0001
    private let ownerAddress: UInt32 = 0x0A00_0002

    private func claim(by hardware: UInt64, of address: UInt32, tags: [(UInt16, UInt16)] = []) -> [UInt8] {
        Frames.arp(
            operation: 2, senderHardware: hardware, sender: address, targetHardware: asker, target: askerAddress,
            to: asker, tags: tags)
    }

    private func question(tags: [(UInt16, UInt16)] = []) -> [UInt8] {
        Frames.arp(senderHardware: asker, sender: askerAddress, target: ownerAddress, tags: tags)
    }

    /// A switch to which the owner has spoken at second 0 through port 1.
    private func makeBench(_ configuration: EthernetSwitch.Configuration = .init()) -> Bench {
        var bench = Bench(configuration)
        _ = bench.peer(claim(by: owner, of: ownerAddress), on: 1, at: 0)
        return bench
    }

    @Test func aKnownOwnerIsAnsweredForAndTheQuestionGoesNowhere() {
        var bench = makeBench()
        #expect(bench.local(question()) == .reply)
        let expected = Frames.arp(
            operation: 2, senderHardware: owner, sender: ownerAddress, targetHardware: asker, target: askerAddress,
            to: asker)
        #expect(bench.reply == expected + [UInt8](repeating: 0, count: 18))
        #expect(bench.ports.isEmpty)
        #expect(bench.ethernet.counters.answered == 1)
    }

    @Test func theAnswerCarriesTheTagsOfTheQuestionAndVLANsAreKeptApart() {
        var bench = makeBench()
        let tags: [(UInt16, UInt16)] = [(0x88A8, 7), (0x8100, 0x6008)]
        #expect(bench.local(question(tags: tags)) == .forward)
        _ = bench.peer(claim(by: owner, of: ownerAddress, tags: [(0x88A8, 7), (0x8100, 8)]), on: 1, at: 1)
        #expect(bench.local(question(tags: tags)) == .reply)
        #expect(Array(bench.reply[12..<22]) == [0x88, 0xA8, 0, 7, 0x81, 0, 0x60, 8, 8, 6])
    }

    @Test func anAnswerIsGivenForAMinuteAfterTheOwnerSpoke() {
        var bench = makeBench()
        #expect(bench.local(question(), at: 59.9) == .reply)
        #expect(bench.local(question(), at: 60) == .forward)
    }

    @Test func answeringCanBeTurnedOff() {
        var bench = makeBench(.init(answersAddressResolution: false))
        #expect(bench.local(question()) == .forward)
    }

    @Test func probesAndAnnouncementsAreNeverAnswered() {
        var bench = makeBench()
        let announcement = Frames.arp(senderHardware: asker, sender: ownerAddress, target: ownerAddress)
        #expect(bench.local(announcement) == .forward)
        bench = makeBench()
        let probe = Frames.arp(senderHardware: asker, sender: 0, target: ownerAddress)
        #expect(bench.local(probe) == .forward)
        #expect(bench.local(question()) == .forward, "somebody is about to take the address")
    }

    @Test func unicastQuestionsReachTheOwner() {
        var bench = makeBench()
        let unicast = Frames.arp(
            senderHardware: asker, sender: askerAddress, targetHardware: owner, target: ownerAddress, to: owner)
        #expect(bench.local(unicast) == .forward)
        #expect(bench.targets == [1])
    }

    @Test func aSecondOwnerEndsAnsweringForAMinute() {
        var bench = makeBench()
        _ = bench.peer(claim(by: other, of: ownerAddress), on: 2, at: 1)
        #expect(bench.local(question(), at: 2) == .forward)
        _ = bench.peer(claim(by: owner, of: ownerAddress), on: 1, at: 3)
        #expect(bench.local(question(), at: 60) == .forward)
        _ = bench.peer(claim(by: owner, of: ownerAddress), on: 1, at: 62)
        #expect(bench.local(question(), at: 63) == .reply)
    }

    @Test func aLocalOwnerIsNeverAnsweredForNorReplacedByTheMesh() {
        var bench = makeBench()
        let local = Frames.arp(senderHardware: other, sender: ownerAddress, target: 0x0A00_0009)
        _ = bench.local(local)
        #expect(bench.local(question()) == .forward)
        _ = bench.peer(claim(by: owner, of: ownerAddress), on: 1, at: 2)
        #expect(bench.local(question(), at: 3) == .forward)
    }

    @Test func anOwnerWhoseAddressMovedOrIsUnknownIsNotAnsweredFor() {
        var bench = makeBench()
        _ = bench.peer(Frames.ethernet(to: asker, from: owner), on: 2)
        #expect(bench.local(question()) == .forward)
        bench = makeBench()
        bench.ethernet.removePort(port(1))
        #expect(bench.local(question()) == .forward)
        #expect(bench.ethernet.bindingCount == 1, "the asker itself")
    }

    @Test func claimsInTheNameOfAnotherAreNotBelieved() {
        var bench = Bench()
        var forged = claim(by: owner, of: ownerAddress)
        forged.replaceSubrange(6..<12, with: Frames.bytes(other, 6))
        _ = bench.peer(forged, on: 1)
        for address in [0, 0x7F00_0001, 0xE000_0001, 0xFFFF_FFFF] as [UInt32] {
            _ = bench.peer(claim(by: owner, of: address), on: 1)
        }
        #expect(bench.ethernet.bindingCount == 0)
    }

    @Test func onePeerCannotFillTheTable() {
        var bench = Bench()
        for value in 0..<20_000 as Range<UInt32> {
            _ = bench.peer(claim(by: owner, of: 0x0B00_0000 + value), on: 0)
        }
        #expect(bench.ethernet.bindingCount == 1_024)
        _ = bench.peer(claim(by: other, of: ownerAddress), on: 1)
        #expect(bench.ethernet.bindingCount == 1_025)
        #expect(bench.local(question()) == .reply)
        _ = bench.timeout(at: 100)
        #expect(bench.ethernet.bindingCount == 0)
    }

    @Test func everyTruncatedQuestionIsForwardedUnanswered() {
        let whole = question()
        for byteCount in 14..<whole.count {
            var bench = makeBench()
            #expect(bench.local(Array(whole.prefix(byteCount))) == .forward, "\(byteCount) bytes")
        }
    }

    @Test func otherHardwareAndProtocolsAreForwardedUnanswered() {
        for offset in [14, 15, 16, 17, 18, 19, 20] {
            var bench = makeBench()
            var frame = question()
            frame[offset] ^= 0x40
            #expect(bench.local(frame) == .forward)
        }
    }
}
