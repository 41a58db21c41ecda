import MeshBase
import MeshProtocol
import MeshWire
import Testing

/// Copies of frames while the path in use is in doubt.
@Suite struct KeptFramesTests {
    private static let one = CarrierID.relay(0, channel: 1)
    private static let other = CarrierID.relay(1, channel: 1)
    private static let start = Instant(nanoseconds: 1_000_000_000)

    /// Everything that waits for a carrier, by the first byte.
    private static func takeAll(
        _ kept: inout KeptFrames, for carrier: CarrierID, isAlive: Bool, at now: Instant = start
    ) -> [UInt8] {
        var result: [UInt8] = []
        while let record = kept.next(for: carrier, isAlive: isAlive, at: now) { result.append(record[0]) }
        return result
    }

    private static func filled(_ numbers: ClosedRange<UInt8>, sentBy sender: CarrierID?) -> KeptFrames {
        var kept = KeptFrames()
        for number in numbers { kept.append([number], sentBy: sender, at: start) }
        return kept
    }

    // MARK: - What is kept

    @Test func whatAClosedPathGotGoesByTheNextOneInOrder() {
        var kept = Self.filled(1...3, sentBy: Self.one)
        #expect(!kept.isWaiting(for: Self.one))
        kept.closed(Self.one)
        kept.append([4], sentBy: nil, at: Self.start)
        #expect(Self.takeAll(&kept, for: Self.other, isAlive: true) == [1, 2, 3, 4])
        #expect(kept.isEmpty && kept.byteCount == 0)
    }

    @Test func aPathThatMayBeClosingGetsEverythingOnceAndItStaysKept() {
        var kept = Self.filled(1...3, sentBy: nil)
        #expect(Self.takeAll(&kept, for: Self.one, isAlive: false) == [1, 2, 3])
        #expect(Self.takeAll(&kept, for: Self.one, isAlive: false) == [] && !kept.isEmpty)
        #expect(Self.takeAll(&kept, for: Self.other, isAlive: false) == [1, 2, 3])
        kept.closed(Self.one)
        #expect(!kept.isWaiting(for: Self.other), "another path's end changes nothing")
    }

    @Test func aPathThatShowsItselfAliveIsRelievedOfWhatItGot() {
        var kept = Self.filled(1...3, sentBy: Self.one)
        kept.showedAlive(Self.other)
        #expect(!kept.isEmpty)
        kept.showedAlive(Self.one)
        #expect(kept.isEmpty && kept.byteCount == 0)
    }

    @Test func whatIsKeptIsBoundedInBytesAndTime() {
        var kept = KeptFrames()
        let record = [UInt8](repeating: 7, count: 1_400)
        for count in 0..<4_000 {
            kept.append(record, sentBy: count % 2 == 0 ? Self.one : nil, at: Self.start)
            if count % 2 == 1 { while kept.next(for: Self.one, isAlive: false, at: Self.start) != nil {} }
            #expect(kept.byteCount <= KeptFrames.byteCountMax)
        }
        #expect(kept.byteCount > KeptFrames.byteCountMax - 2_000)
        let late = Self.start.advanced(milliseconds: KeptFrames.millisecondsMax + 1)
        #expect(Self.takeAll(&kept, for: Self.other, isAlive: true, at: late) == [])
        #expect(kept.isEmpty && kept.byteCount == 0)
    }

    // MARK: - Nodes

    private static func isSuspect(_ world: World) -> Bool { world.nodes[1].pathSuspicion(of: 0) != nil }

    /// Runs until node 0 tells the relay to close the channel, which the relay has not done yet.
    private static func runUntilClosing(_ world: World) throws {
        func isClosing() -> Bool {
            world.relayMessages.contains { if case .channelClosed = $0 { true } else { false } }
        }
        while !isClosing(), world.now.nanoseconds < 10_000_000_000 { world.run(milliseconds: 10) }
        try #require(isClosing())
    }

    /// Node 1 sends a frame every 10 ms until its path has been in doubt for 100 ms. Returns the numbers of the frames that
    /// were sent in doubt.
    private static func sendIntoDoubt(_ world: World) throws -> [UInt8] {
        var inDoubt: [UInt8] = []
        for number in 1...UInt8(100) where inDoubt.count < 10 {
            if isSuspect(world) { inDoubt.append(number) }
            world.sendFrame(from: 1, to: 0, number: number)
            world.run(milliseconds: 10)
        }
        try #require(inDoubt.count == 10)
        return inDoubt
    }

    @Test func copiesThatMetAClosingChannelGoByTheNextOne() throws {
        let world = try World.direct()
        try Self.runUntilClosing(world)
        // The path is cut; the relay has closed the channel, and node 1 does not know yet.
        world.onSend = { _ in [] }
        let inDoubt = try Self.sendIntoDoubt(world)
        #expect(world.frames[0].isEmpty)
        world.onSend = { $0.carrier.isRelay ? [$0] : [] }
        for node in 0...1 { world.closeChannel(node, to: 1 - node) }
        for node in 0...1 { world.openChannel(node, to: 1 - node) }
        world.deliverAll()
        #expect(world.frames[0].map { $0[0] } == inDoubt)
    }

    @Test func nothingIsKeptOnceTheChannelHasShownItselfAlive() throws {
        let world = try World.direct()
        world.onSend = { $0.from == 1 && !$0.carrier.isRelay ? [] : [$0] }
        let inDoubt = try Self.sendIntoDoubt(world)
        let isKept = world.nodes[1].hasKeptFrames
        #expect(!isKept)
        #expect(world.frames[0].map { $0[0] } == inDoubt)
    }

    @Test func aNodeSendsNoCopiesByAChannelThatItCloses() throws {
        let world = try World.direct()
        try Self.runUntilClosing(world)
        // Now node 0, which told the relay to close the channel, falls into doubt before the relay has done it.
        world.onSend = { $0.carrier.isRelay ? [$0] : [] }
        world.sent = []
        for number in 1...UInt8(40) {
            world.sendFrame(from: 0, to: 1, number: number)
            world.run(milliseconds: 10)
        }
        let isKept = world.nodes[0].hasKeptFrames
        #expect(world.nodes[0].pathSuspicion(of: 0) != nil && isKept)
        #expect(!world.sent.contains { $0.from == 0 && $0.carrier.isRelay })
    }
}
