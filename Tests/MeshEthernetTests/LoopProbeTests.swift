import MeshBase
import MeshEthernet
import Testing

@Suite struct LoopProbeTests {
    private let probe = LoopProbe(
        sender: 0x0102_0304_0506_0708, isSenderBlocked: true, port: 0x1112_1314, generation: 0x2122_2324,
        sentMilliseconds: 0x3132_3334_3536_3738, token: 0x4142_4344_4546_4748)

    /// A switch with port 0, and the probe that it sent through it at second 1.
    private func makeBench() throws -> (Bench, [UInt8]) {
        var bench = Bench(ports: 1)
        guard case .send(let frame, let target) = try #require(bench.timeout(at: 1).first) else { return (bench, []) }
        #expect(target == port(0))
        return (bench, frame)
    }

    @Test func layoutIsAsDocumented() throws {
        let frame = probe.frame()
        #expect(frame.count == 60)
        let hexadecimal = frame.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(
            hexadecimal == "0353" + "4d4c5001" + "020405060708" + "88b5" + "534d4c50" + "01" + "01" + "0000"
                + "0102030405060708" + "11121314" + "21222324" + "3132333435363738" + "4142434445464748"
                + "000000000000")
        #expect(LoopProbe(try EthernetFrameView(parsing: frame.span.rawBytes)) == probe)
    }

    @Test(arguments: 14..<54) func everyTruncationIsNoProbe(byteCount: Int) throws {
        let bytes = Array(probe.frame().prefix(byteCount))
        #expect(LoopProbe(try EthernetFrameView(parsing: bytes.span.rawBytes)) == nil)
    }

    @Test func otherUsersOfTheEtherTypeAreForwarded() throws {
        for offset in [0, 14, 18] {
            var (bench, frame) = try makeBench()
            frame[offset] ^= 2
            #expect(bench.local(frame) == .forward)
        }
    }

    @Test func aReturningProbeBlocksAndIsNotSentOn() throws {
        var (bench, frame) = try makeBench()
        #expect(bench.local(frame, at: 1.1) == .drop(.loopProbe))
        #expect(bench.ethernet.isLocalPortBlocked, "the other's number is unknown")
        let data = Frames.ethernet(to: 0x0200_0000_0002, from: 0x0200_0000_0004)
        #expect(bench.local(data, at: 1.2) == .drop(.loopBlocked))
        #expect(bench.peer(data, on: 0, at: 1.2) == .drop(.loopBlocked))
        #expect(bench.ethernet.addressCount == 0)
        #expect(bench.ethernet.counters.probesReturned == 1)
    }

    @Test func forgedOldAndForeignProbesBlockNothing() throws {
        var (bench, frame) = try makeBench()
        for offset in 30..<54 {
            var forged = frame
            forged[offset] ^= 1
            #expect(bench.local(forged, at: 1.1) == .drop(.forgedProbe), "byte \(offset)")
        }
        #expect(bench.local(frame, at: 11.1) == .drop(.forgedProbe), "too old")
        #expect(bench.local(probe.frame(), at: 1.1) == .drop(.loopProbe))
        bench.ethernet.removePort(port(0))
        #expect(bench.local(frame, at: 1.1) == .drop(.forgedProbe), "port gone")
        bench.ethernet.addPort(port(0))
        #expect(bench.local(frame, at: 1.1) == .drop(.forgedProbe), "port of an earlier session")
        #expect(!bench.ethernet.isLocalPortBlocked)
        #expect(bench.ethernet.takeEvents() == [.foreignProbe(peer: nil)])
    }

    @Test func aPeerCannotBlockUsBySendingOurProbeBack() throws {
        var (bench, frame) = try makeBench()
        #expect(bench.peer(frame, on: 0, at: 1.1) == .drop(.forgedProbe))
        #expect(!bench.ethernet.isLocalPortBlocked)
    }

    @Test func probesOfPeersReachTheTAPUpToALimit() throws {
        var (bench, _) = try makeBench()
        for _ in 0..<4 { #expect(bench.peer(probe.frame(), on: 0, at: 1.1) == .deliver) }
        #expect(bench.peer(probe.frame(), on: 0, at: 1.1) == .drop(.probeLimited))
        #expect(bench.peer(probe.frame(), on: 0, at: 3.2) == .deliver)
        #expect(bench.ethernet.addressCount == 0)
    }

    @Test func probesPassABlockedTAP() throws {
        var (bench, frame) = try makeBench()
        _ = bench.local(frame, at: 1.1)
        #expect(bench.peer(probe.frame(), on: 0, at: 1.2) == .deliver)
    }

    @Test func aPortThatIsAddedIsProbedAtOnceAndThenEveryTwoSecondsWhileFramesCome() throws {
        var (bench, _) = try makeBench()
        #expect(bench.ethernet.deadline == nil)
        bench.ethernet.addPort(port(5))
        #expect(bench.ethernet.deadline == .zero)
        #expect(bench.timeout(at: 1.5).count == 1)
        #expect(bench.ethernet.deadline == nil)
        #expect(bench.timeout(at: 3).isEmpty, "no frame came")
        let data = Frames.ethernet(to: 0x0200_0000_0002, from: 0x0200_0000_0004)
        _ = bench.local(data, at: 3.5)
        #expect(bench.timeout(at: 3.5).count == 2)
        #expect(bench.ethernet.deadline == instant(11), "addresses are swept")
        _ = bench.peer(data, on: 5, at: 3.6)
        #expect(bench.ethernet.deadline == instant(5.5))
        #expect(bench.timeout(at: 5.5).count == 2)
        #expect(bench.timeout(at: 7.5).isEmpty)
    }

    @Test func aPeerThatCanBeReachedIsProbedAtOnceAndNobodyElse() {
        var bench = Bench(ports: 3)
        _ = bench.timeout(at: 1)
        bench.ethernet.portReachable(port(1))
        bench.ethernet.portReachable(port(7))
        #expect(bench.ethernet.deadline == .zero)
        let actions = bench.timeout(at: 20)
        #expect(actions.count == 1)
        guard case .send(_, let target)? = actions.first else { return }
        #expect(target == port(1))
        #expect(bench.ethernet.deadline == nil)
    }

    @Test func aPeerThatSaysItBlockedIsForgottenAndReported() throws {
        var (bench, _) = try makeBench()
        _ = bench.peer(Frames.ethernet(to: 2, from: 0x0200_0000_0004), on: 0)
        _ = bench.local(Frames.ethernet(to: 2, from: 0x0200_0000_0006))
        _ = bench.peer(probe.frame(), on: 0, at: 1.1)
        #expect(bench.ethernet.learnedAddresses(at: instant(1.1)).map(\.address.value) == [0x0200_0000_0006])
        #expect(bench.ethernet.takeEvents() == [.peerPortBlocked(port(0), true)])
    }

    @Test func whenThePeerOfAProvenLoopBlocksEverythingIsForgotten() throws {
        var (bench, frame) = try makeBench()
        var other = probe
        other.sender = .max
        other.isSenderBlocked = false
        _ = bench.peer(other.frame(), on: 0, at: 1.05)
        _ = bench.local(frame, at: 1.1)
        _ = bench.timeout(at: 3)
        #expect(!bench.ethernet.isLocalPortBlocked)
        _ = bench.local(Frames.ethernet(to: 2, from: 0x0200_0000_0004), at: 3.1)
        other.isSenderBlocked = true
        _ = bench.peer(other.frame(), on: 0, at: 3.2)
        #expect(bench.ethernet.addressCount == 0, "a remote station may have been taken for a local one")
        _ = bench.local(Frames.ethernet(to: 2, from: 0x0200_0000_0004), at: 3.3)
        _ = bench.timeout(at: 5)
        #expect(bench.ethernet.addressCount == 0, "and once more, for frames that were on their way")
        _ = bench.local(Frames.ethernet(to: 2, from: 0x0200_0000_0004), at: 5.1)
        _ = bench.timeout(at: 7)
        #expect(bench.ethernet.addressCount == 1)
    }
}
