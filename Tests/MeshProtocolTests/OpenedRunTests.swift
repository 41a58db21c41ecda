import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// Records that a node takes together, after they were opened without it.
@Suite struct OpenedRunTests {
    private static let carrier = CarrierID.udp(World.endpoint(of: 0))

    /// `count` records with frames from node 0, one with each number: short ones, long ones and slices of superframes.
    private static func records(_ world: World, _ count: UInt8) throws -> [[UInt8]] {
        for number in 0..<count {
            switch number % 3 {
            case 0: world.sendFrame(from: 0, to: 1, number: number)
            case 1: world.sendFrame(from: 0, to: 1, number: number, byteCount: 1_300)
            default: try world.sendSlice(from: 0, to: 1, number: number)
            }
        }
        defer { world.wire.removeAll() }
        return world.wire.map(\.bytes)
    }

    /// The number that a frame, or slice of a superframe, begins with.
    private static func number(_ frame: [UInt8]?) -> UInt8? {
        guard let frame else { return nil }
        let isSlice = frame.count == SuperframeSlice.headerByteCount + 1_354
        return isSlice ? frame[SuperframeSlice.headerByteCount] : frame.first
    }

    /// Opens all without the node. Returns the run that they make, and what opening each gave.
    private static func run(
        _ node: inout Node, _ records: inout [[UInt8]]
    ) -> (run: OpenedRun?, openings: [RecordOpening?]) {
        var openings: [RecordOpening?] = []
        var run: OpenedRun?
        for place in records.indices {
            let opening = node.openedOutside(&records[place])
            openings.append(opening)
            let record = records[place]
            if place == 0 {
                run = OpenedRun(record.span.rawBytes, opening)
            } else if run?.append(record.span.rawBytes, opening) == false {
                run = nil
            }
        }
        return (run, openings)
    }

    private static func open(
        _ node: inout Node, _ record: inout [UInt8], _ opening: RecordOpening?, by carrier: CarrierID = carrier,
        at now: Instant
    ) throws(RecordRefusal) -> [UInt8]? {
        try node.frame(of: &record, opening, by: carrier, at: now)
    }

    private static func refusal(_ node: inout Node, _ record: [UInt8], at now: Instant) -> RecordRefusal? {
        var record = record
        do throws(RecordRefusal) { _ = try open(&node, &record, nil, at: now) } catch { return error }
        return nil
    }

    /// What two nodes send within 60 s from now on, after one more frame, both ways.
    private static func future(of world: World, _ receiver: Node) -> [[UInt8]] {
        let before = (nodes: world.nodes, now: world.now, sent: world.sent)
        defer { (world.nodes, world.now, world.sent) = before }
        world.nodes[1] = receiver
        world.sent = []
        world.sendFrame(from: 0, to: 1)
        world.run(milliseconds: 60_000)
        return world.sent.map(\.bytes)
    }

    // MARK: - As one by one

    @Test(arguments: [1, 2, 44, 200] as [UInt8]) func aRunLeavesTheBooksAsItsRecordsDoOneByOne(count: UInt8) throws {
        let world = try World.direct()
        // Node 1 waits for an answer.
        world.sendFrame(from: 1, to: 0)
        world.wire.removeAll()
        var late = try Self.records(world, 1)[0]
        var opened = try Self.records(world, count)
        let sealed = opened
        var (together, single) = (world.nodes[1], world.nodes[1])
        let (run, openings) = Self.run(&together, &opened)
        let peer = together.take(try #require(run), by: Self.carrier, at: world.now)
        #expect(peer == 0)
        for (place, record) in opened.enumerated() {
            let found = OpenedRun.content(of: record.span.rawBytes)
            let content = try #require(found)
            var copy = record
            let frame = try Self.open(&single, &copy, openings[place], at: world.now)
            #expect(Array(record[content.frame]) == frame && Self.number(frame) == UInt8(place))
            #expect(content.kind == (place % 3 == 2 ? .superframeSlice : .frame))
        }
        // Polls and their answers tell what each path brought, and all records how far counters are.
        #expect(together.deadline == single.deadline)
        let future = Self.future(of: world, together)
        #expect(future == Self.future(of: world, single))
        // The frame, a poll of its path and the answer, and pings.
        #expect(future.count > 6)
        for record in sealed {
            let refusals = [
                Self.refusal(&together, record, at: world.now), Self.refusal(&single, record, at: world.now),
            ]
            #expect(refusals == [.duplicate, .duplicate], "both saw two paths in use a moment ago")
        }
        // Copies count for their path when they are newer than all that came by it: these are not.
        let later = Self.future(of: world, together)
        #expect(later == future && later == Self.future(of: world, single))
        // An older one that took another way says nothing of the path in use.
        var copy = late
        for endpoint in [2, 3] {
            let carrier = CarrierID.udp(World.endpoint(of: endpoint))
            _ = try? Self.open(&together, &late, nil, by: carrier, at: world.now)
            _ = try? Self.open(&single, &copy, nil, by: carrier, at: world.now)
        }
        #expect(together.deadline == single.deadline)
        #expect(Self.future(of: world, together) == Self.future(of: world, single))
    }

    @Test func theFramesOfARunCountTowardsTheEndOfTheirPath() throws {
        let world = try World.direct()
        var records = try Self.records(world, 30)
        let peer = world.nodes[1].take(
            try #require(Self.run(&world.nodes[1], &records).run), by: Self.carrier, at: world.now)
        #expect(peer == 0)
        try Self.wish(.relay, of: 0, in: world)
        world.frames[1] = []
        world.sendFrame(from: 0, to: 1, number: 77)
        world.deliverAll()
        // END said how many frames there were, and none is waited for.
        #expect(world.frames[1].map(\.first) == [77])
    }

    // MARK: - Not a run

    @Test func whatWasNotOpenedOrDoesNotFollowMakesNoRun() throws {
        let world = try World.direct()
        let records = try Self.records(world, 5)
        func isRun(_ places: [Int], _ change: (inout [[UInt8]]) -> Void = { _ in }) -> Bool {
            var chosen = places.map { records[$0] }
            change(&chosen)
            var node = world.nodes[1]
            return Self.run(&node, &chosen).run != nil
        }
        #expect(isRun([0, 1, 2, 3, 4]) && isRun([3, 4]) && isRun([2]))
        #expect(!isRun([0, 2]) && !isRun([1, 0]) && !isRun([1, 1]) && !isRun([0, 1, 3]))
        // An altered tag, generation, epoch, lane and session; and a stump.
        for place in [records[0].count - 1, 2, 1, 3, 7] {
            #expect(!isRun([0, 1]) { $0[1][place] ^= 1 } && !isRun([0, 1]) { $0[0][place] ^= 1 })
        }
        for count in 0..<RecordHeader.recordByteCountMin {
            #expect(!isRun([0, 1]) { $0[1].removeLast($0[1].count - count) })
        }
    }

    @Test func contentThatIsNoWholeFrameMakesNoRun() throws {
        let world = try World.direct()
        world.drive(0) { _ = $0.ping(0, identifier: 7, at: world.now, actions: &$1) }
        var records = world.wire.map(\.bytes)
        try #require(!records.isEmpty && records.allSatisfy { $0[0] == MessageKind.record.rawValue })
        let run = Self.run(&world.nodes[1], &records).run
        #expect(run == nil)
    }

    // MARK: - Not taken

    /// What becomes of a run of three when `change` happened to node 1 first.
    private static func isTaken(
        by carrier: CarrierID = carrier, _ change: (World, inout [[UInt8]]) throws -> Void
    ) throws -> Bool {
        let world = try World.direct()
        var records = try Self.records(world, 5)
        var first = Array(records[..<3])
        let run = try #require(Self.run(&world.nodes[1], &first).run)
        try change(world, &records)
        let peer = world.nodes[1].take(run, by: carrier, at: world.now)
        return peer != nil
    }

    @Test func aRunInOrderIsTaken() throws { #expect(try Self.isTaken { _, _ in }) }

    @Test func aRunByAnotherPathThanTheOneInUseIsNotTaken() throws {
        #expect(try !Self.isTaken(by: .relay(0, channel: 1)) { _, _ in })
        #expect(try !Self.isTaken(by: .udp(World.endpoint(of: 3))) { _, _ in })
    }

    @Test func aRunByAPathThatThisNodeHasLeftIsNotTaken() throws {
        let world = try World.direct()
        try Self.wish(.relay, of: 1, in: world)
        var records = try Self.records(world, 3)
        #expect(world.nodes[0].carrier(of: 0) == .udp(World.endpoint(of: 1)), "the peer stays")
        let run = try #require(Self.run(&world.nodes[1], &records).run)
        let peer = world.nodes[1].take(run, by: Self.carrier, at: world.now)
        #expect(peer == nil)
    }

    @Test func aRunAfterARecordByAnotherPathIsNotTaken() throws {
        let world = try World.direct()
        var records = try Self.records(world, 5)
        var last = Array(records[2...])
        let run = try #require(Self.run(&world.nodes[1], &last).run)
        _ = try Self.open(&world.nodes[1], &records[0], nil, by: .udp(World.endpoint(of: 3)), at: world.now)
        let peer = world.nodes[1].take(run, by: Self.carrier, at: world.now)
        #expect(peer == nil)
        // The first of them shows that the path is in use again.
        _ = try Self.open(&world.nodes[1], &records[1], nil, at: world.now)
        let again = world.nodes[1].take(run, by: Self.carrier, at: world.now)
        #expect(again == 0)
    }

    /// Has a node's frames take another path, and lets a second pass.
    private static func wish(_ wish: PathWish, of node: Int, in world: World) throws {
        var isKnown = false
        world.drive(node) { isKnown = $0.setPathWish(wish, for: 0, at: world.now, actions: &$1) }
        try #require(isKnown)
        world.run(milliseconds: 1_000)
        let isByRelay = world.nodes[node].carrier(of: 0)?.isRelay == true
        try #require(isByRelay == (wish == .relay))
    }

    @Test func aRunOfFramesWhoseTurnHasNotComeIsNotTaken() throws {
        let world = try World.direct()
        try Self.wish(.relay, of: 0, in: world)
        // The relay is slow: node 0's END comes late.
        var slow: [Packet] = []
        world.onSend = { packet in
            guard packet.from == 0, packet.carrier.isRelay else { return [packet] }
            slow.append(packet)
            return []
        }
        world.sendFrame(from: 0, to: 1, number: 99)
        try Self.wish(.automatic, of: 0, in: world)
        #expect(world.nodes[1].carrier(of: 0) == Self.carrier && !slow.isEmpty)
        world.frames[1] = []
        world.sendFrame(from: 0, to: 1, number: 0)
        world.deliverAll()
        var records = try Self.records(world, 3)
        let (run, openings) = Self.run(&world.nodes[1], &records)
        let peer = world.nodes[1].take(try #require(run), by: Self.carrier, at: world.now)
        #expect(peer == nil && world.frames[1].isEmpty)
        for place in records.indices {
            let frame = try Self.open(&world.nodes[1], &records[place], openings[place], at: world.now)
            #expect(frame == nil, "it waits")
        }
        world.onSend = nil
        for packet in slow { world.deliver(packet) }
        #expect(world.frames[1].map(Self.number) == [99, 0, 0, 1, 2])
    }

    @Test func aRunOfWhichARecordIsNotNewerThanAllBeforeIsNotTaken() throws {
        for place in [0, 2, 4] {
            #expect(
                try !Self.isTaken { world, records in
                    _ = try Self.open(&world.nodes[1], &records[place], nil, at: world.now)
                })
        }
    }

    @Test func aRunWhoseSessionEndedIsNotTaken() throws {
        #expect(
            try !Self.isTaken { world, _ in
                world.drive(0) { $0.shutDown(at: world.now, actions: &$1) }
                world.deliverAll()
            })
    }

    @Test func aRunOfAnEpochThatIsOverIsNotTakenTogether() throws {
        let world = try World.direct(rotationSeconds: 60)
        // Numbered after all that comes until then.
        let former = world.nodes[0]
        for _ in 0..<20 { _ = try Self.records(world, 250) }
        var records = try Self.records(world, 3)
        world.nodes[0] = former
        world.run(milliseconds: 61_000)
        #expect(world.framesPass() && world.nodes[1].session(of: 0)?.rotationCount == 1)
        let (run, openings) = Self.run(&world.nodes[1], &records)
        let peer = world.nodes[1].take(try #require(run), by: Self.carrier, at: world.now)
        #expect(peer == nil)
        // One by one they still count.
        for place in records.indices {
            let frame = try Self.open(&world.nodes[1], &records[place], openings[place], at: world.now)
            #expect(Self.number(frame) == UInt8(place))
        }
    }

    @Test func aRunOfTheEpochBeforeIsTakenWhileTheNextOneWaitsAndTheFirstOfThatIsNot() throws {
        let world = try World.direct(rotationSeconds: 60)
        // Node 1 has answered, which node 0 does not know.
        let before = world.workCounts[1]
        world.onSend = { $0.from == 1 && world.workCounts[1] > before ? [] : [$0] }
        while world.workCounts[1] == before, world.now.nanoseconds < 70_000_000_000 { world.run(milliseconds: 10) }
        try #require(world.workCounts[1] > before)
        world.sendFrame(from: 0, to: 1)
        world.deliverAll()
        var records = try Self.records(world, 3)
        let epoch = world.nodes[1].session(of: 0)?.epoch
        var peer = world.nodes[1].take(
            try #require(Self.run(&world.nodes[1], &records).run), by: Self.carrier, at: world.now)
        #expect(peer == 0 && world.nodes[1].session(of: 0)?.epoch == epoch)
        // Node 0 hears of it, and what it says then does not come through.
        func hasHeard() -> Bool { world.nodes[0].session(of: 0)?.epoch != epoch }
        world.onSend = { $0.from == 0 && hasHeard() ? [] : [$0] }
        while !hasHeard(), world.now.nanoseconds < 80_000_000_000 { world.run(milliseconds: 10) }
        world.onSend = nil
        try #require(hasHeard())
        records = try Self.records(world, 3)
        let (run, openings) = Self.run(&world.nodes[1], &records)
        peer = world.nodes[1].take(try #require(run), by: Self.carrier, at: world.now)
        #expect(peer == nil && world.nodes[1].session(of: 0)?.epoch == epoch)
        for place in records.indices {
            let frame = try Self.open(&world.nodes[1], &records[place], openings[place], at: world.now)
            #expect(Self.number(frame) == UInt8(place))
        }
        #expect(world.nodes[1].session(of: 0)?.epoch == world.nodes[0].session(of: 0)?.epoch)
    }

    @Test func aRunThatIsNotTakenChangesNothing() throws {
        let world = try World.direct()
        var records = try Self.records(world, 4)
        let (run, openings) = Self.run(&world.nodes[1], &records)
        var newest = try Self.records(world, 1)[0]
        _ = try Self.open(&world.nodes[1], &newest, nil, at: world.now)
        let untouched = world.nodes[1]
        let peer = world.nodes[1].take(try #require(run), by: Self.carrier, at: world.now)
        #expect(peer == nil)
        let future = Self.future(of: world, world.nodes[1])
        #expect(future == Self.future(of: world, untouched))
        for place in records.indices {
            let frame = try Self.open(&world.nodes[1], &records[place], openings[place], at: world.now)
            #expect(Self.number(frame) == UInt8(place))
        }
    }
}
