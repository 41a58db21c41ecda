import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// Drives a relay switch as clients would.
struct RelayBench {
    var core: RelaySwitch
    var now = Instant(nanoseconds: 1)
    var sent: [UInt64: [RelayMessage]] = [:]
    var closed: [UInt64] = []
    var works: [(WorkTicket, Work)] = []
    var holdsWork = false

    init(
        admission: RelaySwitch.Admission = .open, limits: RelaySwitch.Limits = .init(),
        statement: RelayKeyStatement = World.statement
    ) {
        core = RelaySwitch(
            id: World.relayIdentity.id, statement: statement, admission: admission, limits: limits, stunPort: 0,
            entropy: .seeded(1))
    }

    mutating func drive(_ body: (inout RelaySwitch, inout [RelaySwitch.Action], Instant) -> Void) {
        var actions: [RelaySwitch.Action] = []
        body(&core, &actions, now)
        for action in actions {
            switch action {
            case .send(let connection, let bytes):
                if let message = try? RelayMessage(parsing: bytes.span.rawBytes) {
                    sent[connection, default: []].append(message)
                }
            case .close(let connection): closed.append(connection)
            case .work(let ticket, let work):
                if holdsWork {
                    works.append((ticket, work))
                } else {
                    let result = work.run()
                    drive { $0.performed(ticket, result, at: $2, actions: &$1) }
                }
            case .admitted: break
            }
        }
    }

    mutating func connect(_ connection: UInt64, from address: [UInt8] = [192, 0, 2, 1]) {
        // '!' okay: the tests give four bytes or sixteen.
        let endpoint = Endpoint(address: IPAddress(bytes: address)!, port: 1)
        drive { $0.connected(connection, from: endpoint, at: $2, actions: &$1) }
    }

    mutating func send(_ connection: UInt64, _ message: RelayMessage) { send(connection, bytes: message.bytes) }

    mutating func send(_ connection: UInt64, bytes: [UInt8]) {
        drive { $0.received(bytes.span.rawBytes, from: connection, at: $2, actions: &$1) }
    }

    func challenge(_ connection: UInt64) throws -> RelayChallenge {
        for message in sent[connection] ?? [] { if case .challenge(let challenge) = message { return challenge } }
        throw WireError.invalidField(.parameter)
    }

    func proof(
        _ client: Int, for connection: UInt64, relay: PeerID = World.relayIdentity.id, keyHash: [UInt8]? = nil,
        challenge: [UInt8]? = nil, instance: UInt8 = 1, token: [UInt8] = []
    ) throws -> RelayProof {
        let seen = try self.challenge(connection)
        let identity = World.identities[client]
        let instance = [UInt8](repeating: instance, count: 16)
        let transcript = Digest.sha512(
            relay.bytes, keyHash ?? seen.keyHash, challenge ?? seen.challenge, identity.id.bytes, instance)
        return RelayProof(
            clientIdentity: identity.publicIdentity.bytes, instance: instance,
            signature: try identity.sign(.relayClient, over: transcript), token: token)
    }

    mutating func admit(_ client: Int, as connection: UInt64, instance: UInt8 = 1) throws {
        connect(connection)
        send(connection, .proof(try proof(client, for: connection, instance: instance)))
    }

    func refusal(_ connection: UInt64) -> RelayRefusal.Reason? {
        for message in sent[connection] ?? [] { if case .refused(let refusal) = message { return refusal.reason } }
        return nil
    }

    func channels(_ connection: UInt64) -> [UInt32] {
        (sent[connection] ?? []).compactMap {
            if case .channelOpened(let channel, _) = $0 { channel } else { nil }
        }
    }
}

@Suite struct RelaySwitchTests {
    private static func id(_ index: Int) -> PeerID { World.identities[index].id }

    @Test func aProofHoldsForItsRelayTLSKeyChallengeAndConnectionOnly() throws {
        var bench = RelayBench()
        for connection in 1...6 as ClosedRange<UInt64> { bench.connect(connection) }
        let good = try bench.proof(0, for: 1)
        bench.send(2, .proof(good))
        bench.send(3, .proof(try bench.proof(0, for: 3, relay: Self.id(3))))
        bench.send(4, .proof(try bench.proof(0, for: 4, keyHash: [UInt8](repeating: 0, count: 32))))
        bench.send(5, .proof(try bench.proof(0, for: 5, challenge: [UInt8](repeating: 0, count: 32))))
        var other = try bench.proof(0, for: 6)
        other.clientIdentity = World.identities[1].publicIdentity.bytes
        bench.send(6, .proof(other))
        for connection in 2...6 as ClosedRange<UInt64> { #expect(bench.refusal(connection) == .badProof) }
        #expect(bench.core.admittedCount == 0 && bench.core.refusals[.badProof] == 5)
        bench.send(1, .proof(good))
        #expect(bench.core.admittedCount == 1)
        for flaw in [ManualPeer.Flaw.mldsa, .ed25519] {
            bench.connect(9)
            var proof = try bench.proof(1, for: 9)
            proof.signature = ManualPeer.spoil(proof.signature, flaw)
            bench.send(9, .proof(proof))
            #expect(bench.core.admittedCount == 1)
            bench.sent[9] = nil
        }
    }

    @Test func aProofForTheStatementInTheChallengeHoldsAfterTheStatementChanged() throws {
        var bench = RelayBench()
        bench.connect(1)
        bench.core.replaceStatement(
            try RelayKeyStatement(
                identity: World.relayIdentity, keyHash: [UInt8](repeating: 9, count: 32),
                nowSeconds: World.epochSeconds))
        bench.send(1, .proof(try bench.proof(0, for: 1)))
        #expect(bench.core.admittedCount == 1)
    }

    @Test func tokenAndListAreCheckedBeforeAnySignature() throws {
        for admission in [RelaySwitch.Admission.token([1, 2, 3]), .allowList([Self.id(1)])] {
            var bench = RelayBench(admission: admission)
            bench.holdsWork = true
            bench.connect(1)
            bench.send(1, .proof(try bench.proof(0, for: 1, token: [1, 2])))
            #expect(bench.works.isEmpty && bench.refusal(1) == .notAdmitted)
            bench.holdsWork = false
            bench.connect(2)
            bench.send(2, .proof(try bench.proof(1, for: 2, token: [1, 2, 3])))
            #expect(bench.core.admittedCount == 1)
        }
    }

    @Test func twoClientsAreConnectedOnlyAfterEachHasNamedTheOther() throws {
        var bench = RelayBench()
        for client in 0..<3 { try bench.admit(client, as: UInt64(client + 1)) }
        bench.send(1, .namePeers([Self.id(1), Self.id(2), Self.id(0)]))
        #expect(bench.core.pairCount == 0 && bench.channels(1).isEmpty, "nothing tells who is online")
        bench.send(2, .namePeers([Self.id(0)]))
        #expect(bench.core.pairCount == 1 && bench.channels(1).count == 1 && bench.channels(2).count == 1)
        #expect(bench.channels(3).isEmpty)
        let route = try bench.core.route(from: 1, channel: bench.channels(1)[0], byteCount: 9, at: bench.now)
        #expect(route.connection == 2 && route.channel == bench.channels(2)[0] && route.peer == Self.id(1))
        #expect(throws: RelaySwitch.Refusal.unknownChannel) {
            try bench.core.route(from: 3, channel: route.channel, byteCount: 9, at: bench.now)
        }
        bench.send(2, .namePeers([Self.id(0)]))
        #expect(bench.core.pairCount == 1, "naming again opens no second channel")
        bench.send(1, .forgetPeers([Self.id(1)]))
        #expect(bench.core.pairCount == 0)
        bench.send(1, .namePeers([Self.id(1)]))
        #expect(bench.core.pairCount == 1)
        bench.send(2, .channelClosed(channel: bench.channels(2)[1]))
        #expect(bench.core.pairCount == 0)
        bench.send(1, .namePeers([Self.id(1)]))
        #expect(bench.core.pairCount == 1, "both stay named: either opens a new channel")
    }

    @Test func theNewestProofOfAnIDWinsAndTheOldOneIsTold() throws {
        var bench = RelayBench()
        try bench.admit(0, as: 1, instance: 1)
        try bench.admit(1, as: 2)
        bench.send(1, .namePeers([Self.id(1)]))
        bench.send(2, .namePeers([Self.id(0)]))
        try bench.admit(0, as: 3, instance: 2)
        #expect(bench.sent[1]?.contains(.replaced(instance: [UInt8](repeating: 2, count: 16))) == true)
        #expect(bench.closed == [1] && bench.core.admittedCount == 2 && bench.core.pairCount == 0)
        bench.send(3, .namePeers([Self.id(1)]))
        #expect(bench.core.pairCount == 1)
        bench.drive { core, actions, _ in core.closed(1, actions: &actions) }
        #expect(bench.core.admittedCount == 2, "the late end of the old connection takes nothing from the new one")
    }

    @Test func limitsHold() throws {
        var limits = RelaySwitch.Limits()
        limits.clientsMax = 3
        limits.peersPerClientMax = 2
        limits.payloadByteCountMax = 1_000
        limits.bytesPerSecondMax = 2_000
        var bench = RelayBench(limits: limits)
        for client in 0..<3 { try bench.admit(client, as: UInt64(client + 1)) }
        try bench.admit(3, as: 4)
        #expect(bench.core.admittedCount == 3 && bench.refusal(4) == .full)
        bench.send(1, .namePeers([Self.id(1), Self.id(2), Self.id(3)]))
        #expect(bench.core.refusals[.tooManyPeers] == 1)
        bench.send(2, .namePeers([Self.id(0)]))
        bench.send(2, .forgetPeers([Self.id(0)]))
        bench.send(2, .namePeers([Self.id(0)]))
        bench.send(1, .namePeers([Self.id(1), Self.id(2)]))
        #expect(bench.core.refusals[.tooManyPeers] == 1, "naming those already named is no new name")
        let channel = try #require(bench.channels(1).last)
        func route(_ byteCount: Int) throws {
            _ = try bench.core.route(from: 1, channel: channel, byteCount: byteCount, at: bench.now)
        }
        #expect(throws: RelaySwitch.Refusal.payloadTooLong) { try route(1_001) }
        try route(1_000)
        try route(1_000)
        #expect(throws: RelaySwitch.Refusal.rateLimited) { try route(1) }
        bench.now = bench.now.advanced(milliseconds: 500)
        try route(1_000)
        for _ in 0..<200 { bench.send(1, .namePeers([Self.id(1)])) }
        #expect(bench.refusal(1) == .protocolViolation && bench.core.refusals[.tooManyMessages] == 1)
    }

    @Test func proofsUnderWayAreBoundedAndLateOnesAreRefused() throws {
        var limits = RelaySwitch.Limits()
        limits.verificationsMax = 2
        var bench = RelayBench(limits: limits)
        bench.holdsWork = true
        for connection in 1...4 as ClosedRange<UInt64> { bench.connect(connection) }
        for connection in 1...3 as ClosedRange<UInt64> {
            bench.send(connection, .proof(try bench.proof(Int(connection) - 1, for: connection)))
        }
        #expect(bench.works.count == 2 && bench.refusal(3) == .full)
        #expect(bench.core.deadline == bench.now.advanced(milliseconds: 10_000))
        bench.now = bench.now.advanced(milliseconds: 10_000)
        bench.drive { $0.handleTimeout(at: $2, actions: &$1) }
        #expect(bench.refusal(4) == .timedOut && bench.core.deadline == nil)
        bench.drive { core, actions, _ in core.closed(1, actions: &actions) }
        for (ticket, work) in bench.works {
            let result = work.run()
            bench.drive { $0.performed(ticket, result, at: $2, actions: &$1) }
        }
        #expect(bench.core.admittedCount == 1, "the result for a connection that is gone admits nobody")
    }

    @Test func aDrainingRelayTellsItsClientsAndTakesNoNewOnes() throws {
        var bench = RelayBench()
        try bench.admit(0, as: 1)
        bench.connect(2)
        bench.drive { core, actions, _ in core.drain(actions: &actions) }
        #expect(bench.sent[1]?.last == .draining)
        bench.connect(3)
        #expect(bench.refusal(3) == .draining)
        bench.send(2, .proof(try bench.proof(1, for: 2)))
        #expect(bench.refusal(2) == .draining && bench.core.admittedCount == 1)
    }

    @Test func whatIsOutOfPlaceEndsTheConnection() throws {
        for bytes in [
            RelayMessage.namePeers([Self.id(1)]).bytes, RelayMessage.draining.bytes, [], [77],
            [UInt8](repeating: 2, count: 30),
        ] {
            var bench = RelayBench()
            bench.connect(1)
            bench.send(1, bytes: bytes)
            #expect(bench.refusal(1) == .protocolViolation && bench.core.tableEntryCount == 0)
        }
    }

    @Test func randomScriptsLeaveNothingInTheTablesAndPairsAlwaysMatch() throws {
        for seed in 1...25 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            var bench = RelayBench()
            var open: [UInt64: Int] = [:]
            var next: UInt64 = 1
            for _ in 0..<120 {
                bench.now = bench.now.advanced(milliseconds: random.number(below: 500))
                let client = Int(random.number(below: 4))
                switch random.number(below: 10) {
                case 0, 1:
                    bench.holdsWork = random.number(below: 4) == 0
                    try bench.admit(client, as: next)
                    open[next] = client
                    next += 1
                case 2:
                    guard let victim = open.keys.sorted().first else { break }
                    open[victim] = nil
                    bench.drive { core, actions, _ in core.closed(victim, actions: &actions) }
                case 3: bench.drive { $0.handleTimeout(at: $2, actions: &$1) }
                default:
                    guard let connection = open.keys.sorted().randomElement(&random) else { break }
                    let peers = (0..<4).filter { _ in random.number(below: 2) == 0 }.map { Self.id($0) }
                    let channel = UInt32(random.number(below: 4))
                    let messages: [RelayMessage] =
                        peers.isEmpty
                        ? [.channelClosed(channel: channel)]
                        : [.namePeers(peers), .namePeers(peers), .forgetPeers(peers)]
                    bench.send(connection, messages[Int(random.number(below: UInt64(messages.count)))])
                }
                for connection in bench.closed { open[connection] = nil }
                bench.closed = []
                let pairs = try Self.pairs(&bench, open)
                #expect(bench.core.pairCount == pairs, "seed \(seed)")
            }
            for connection in open.keys {
                bench.drive { core, actions, _ in core.closed(connection, actions: &actions) }
            }
            for (ticket, work) in bench.works {
                let result = work.run()
                bench.drive { $0.performed(ticket, result, at: $2, actions: &$1) }
            }
            #expect(bench.core.tableEntryCount == 0, "seed \(seed)")
        }
    }

    /// Pairs counted by their routes: each leads to a connection that is open, and back.
    private static func pairs(_ bench: inout RelayBench, _ open: [UInt64: Int]) throws -> Int {
        var ends = 0
        for connection in open.keys {
            for channel in 1..<40 as Range<UInt32> {
                guard let there = try? bench.core.route(from: connection, channel: channel, byteCount: 1, at: bench.now)
                else { continue }
                ends += 1
                let back = try bench.core.route(
                    from: there.connection, channel: there.channel, byteCount: 1, at: bench.now)
                #expect(back.connection == connection && back.channel == channel)
                #expect(open[there.connection] != nil)
            }
        }
        #expect(ends % 2 == 0)
        return ends / 2
    }
}

extension Array {
    fileprivate func randomElement(_ random: inout EntropySource) -> Element? {
        isEmpty ? nil : self[Int(random.number(below: UInt64(count)))]
    }
}
