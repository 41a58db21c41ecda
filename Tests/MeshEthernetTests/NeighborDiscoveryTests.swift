import MeshBase
import MeshEthernet
import Testing

@Suite struct NeighborDiscoveryTests {
    private let asker: UInt64 = 0x0200_0000_000A
    private let owner: UInt64 = 0x0200_0000_000B
    private let askerAddress = Frames.linkLocal(0x1111)
    private let target: UInt64 = 0x00AA_0012_3456

    private func advertisement(flags: UInt8 = 0x60, by hardware: UInt64? = nil) -> [UInt8] {
        Frames.advertisement(of: target, by: hardware ?? owner, flags: flags, to: askerAddress, at: asker)
    }

    private func question(tags: [(UInt16, UInt16)] = []) -> [UInt8] {
        Frames.solicitation(for: target, from: askerAddress, by: asker, tags: tags)
    }

    private func makeBench(flags: UInt8 = 0x60) -> Bench {
        var bench = Bench()
        _ = bench.peer(advertisement(flags: flags), on: 1, at: 0)
        return bench
    }

    /// Flags: R as the owner said, S set, O clear (RFC 4861 section 7.2.8).
    @Test(arguments: [(UInt8(0x60), UInt8(0x40)), (0xE0, 0xC0)])
    func aKnownOwnerIsAnsweredForWithItsRouterFlag(said: UInt8, answered: UInt8) {
        var bench = makeBench(flags: said)
        #expect(bench.local(question()) == .reply)
        let expected = Frames.advertisement(of: target, by: owner, flags: answered, to: askerAddress, at: asker)
        #expect(bench.reply == expected, "the checksum included")
    }

    @Test func theAnswerCarriesTheTagsOfTheQuestion() {
        var bench = Bench()
        _ = bench.peer(
            Frames.advertisement(of: target, by: owner, to: askerAddress, at: asker, tags: [(0x8100, 9)]), on: 1)
        #expect(bench.local(question()) == .forward)
        #expect(bench.local(question(tags: [(0x8100, 9)])) == .reply)
        let expected = Frames.advertisement(
            of: target, by: owner, flags: 0x40, to: askerAddress, at: asker, tags: [(0x8100, 9)])
        #expect(bench.reply == expected)
    }

    @Test func duplicateAddressProbesAreNeverAnsweredAndEndAnswering() {
        var bench = makeBench()
        let probe = Frames.solicitation(
            for: target, from: [UInt8](repeating: 0, count: 16), by: asker, hasOption: false)
        #expect(bench.local(probe) == .forward)
        #expect(bench.local(question()) == .forward)
    }

    @Test func aSolicitationTeachesNoRouterFlagAndSoMakesNoAnswer() {
        var bench = Bench()
        let solicitation = Frames.solicitation(for: 0x99, from: Frames.linkLocal(target), by: owner)
        _ = bench.peer(solicitation, on: 1, at: 0)
        #expect(bench.local(question()) == .forward)
        _ = bench.peer(advertisement(), on: 1, at: 1)
        _ = bench.peer(solicitation, on: 1, at: 50)
        #expect(bench.local(question(), at: 100) == .reply, "but it refreshes one")
    }

    @Test func advertisementsThatDoNotOverrideTeachNothing() {
        var bench = makeBench(flags: 0x40)
        #expect(bench.local(question()) == .forward)
    }

    @Test func aSecondOwnerEndsAnswering() {
        var bench = makeBench()
        _ = bench.peer(advertisement(by: 0x0200_0000_000C), on: 2)
        #expect(bench.local(question()) == .forward)
    }

    @Test func unicastQuestionsReachTheOwner() {
        var bench = makeBench()
        var frame = Frames.solicitation(for: target, from: askerAddress, by: asker, to: Frames.linkLocal(target))
        frame.replaceSubrange(0..<6, with: Frames.bytes(owner, 6))
        #expect(bench.local(frame) == .forward)
        #expect(bench.targets == [1])
        let grouped = Frames.solicitation(for: target, from: askerAddress, by: asker, to: Frames.linkLocal(target))
        #expect(bench.local(grouped) == .forward)
    }

    @Test func aQuestionWithoutItsSendersAddressIsForwarded() {
        var bench = makeBench()
        #expect(
            bench.local(Frames.solicitation(for: target, from: askerAddress, by: asker, hasOption: false)) == .forward)
    }

    @Test func everyTruncatedQuestionIsForwardedUnanswered() {
        let whole = question()
        for byteCount in 14..<whole.count {
            var bench = makeBench()
            #expect(bench.local(Array(whole.prefix(byteCount))) == .forward, "\(byteCount) bytes")
        }
    }

    @Test func everyTruncatedAdvertisementTeachesNothing() {
        let whole = advertisement()
        for byteCount in 14..<whole.count {
            var bench = Bench()
            _ = bench.peer(Array(whole.prefix(byteCount)), on: 1)
            #expect(bench.ethernet.bindingCount == 0, "\(byteCount) bytes")
        }
    }

    /// Any one bit behind the flow label breaks the checksum or a check of RFC 4861 section 7.1.
    @Test func everyFlippedBitOfAnAdvertisementTeachesNothing() {
        let whole = advertisement()
        for offset in 18..<whole.count {
            for bit in 0..<8 {
                var bench = Bench()
                var frame = whole
                frame[offset] ^= 1 << UInt8(bit)
                _ = bench.peer(frame, on: 1)
                #expect(bench.ethernet.bindingCount == 0, "byte \(offset), bit \(bit)")
            }
        }
    }

    @Test func messagesThatRFC4861RefusesTeachNothing() {
        let body = [UInt8](Frames.linkLocal(target))
        let option = [2, 1] + Frames.bytes(owner, 6)
        let start: [UInt8] = [136, 0, 0, 0, 0x60, 0, 0, 0]
        let zeroLength = start + body + [9, 0, 0, 0, 0, 0, 0, 0] + option
        let longOption = start + body + [2, 2] + Frames.bytes(owner, 6)
        let otherCode = [136, 1, 0, 0, 0x60, 0, 0, 0] + body + option
        let groupTarget = start + Frames.solicitedNode(3) + option
        let good = start + body + option
        let unspecified = [UInt8](repeating: 0, count: 16)
        let allNodes = Frames.bytes(0xFF02_0000_0000_0000, 8) + Frames.bytes(1, 8)
        var frames = [zeroLength, longOption, otherCode, groupTarget].map {
            Frames.control($0, from: Frames.linkLocal(target), to: askerAddress, hardware: owner, group: asker)
        }
        frames.append(Frames.control(good, from: unspecified, to: askerAddress, hardware: owner, group: asker))
        frames.append(Frames.control(good, from: Frames.linkLocal(target), to: allNodes, hardware: owner, group: asker))
        frames.append(
            Frames.control(
                good, from: Frames.linkLocal(target), to: askerAddress, hardware: owner, group: asker, hopLimit: 254))
        for frame in frames {
            var bench = Bench()
            _ = bench.peer(frame, on: 1)
            #expect(bench.ethernet.bindingCount == 0)
        }
        var bench = Bench()
        _ = bench.peer(
            Frames.control(good, from: Frames.linkLocal(target), to: askerAddress, hardware: owner, group: asker), on: 1
        )
        #expect(bench.ethernet.bindingCount == 1)
    }
}
