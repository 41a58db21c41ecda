import Foundation
import MeshBase
import MeshEthereum
import MeshRegistry
import MeshTestSupport
import Testing

/// A list of made-up relays.
func directory(_ count: Int, using random: inout SeededGenerator, block: UInt64 = 100) -> RelayDirectory {
    let entries = (0..<count).compactMap { index -> RelayEntry? in
        guard let identity = PeerID(bytes: random.bytes(32)), let account = EthereumAddress(bytes: random.bytes(20)),
            let url = try? RelayURL("wss://relay\(index).example"),
            let descriptor = RelayDescriptor(url: url, region: index % 2 == 0 ? "eu" : nil)
        else { return nil }
        return RelayEntry(
            identity: identity, account: account, descriptorHash: Keccak256.hash(descriptor.encoded),
            descriptorBlock: 7,
            stake: UInt128(UInt64.max) + 5, heartbeat: 1_000_000, registered: 900_000,
            registrationValue: UInt64.random(in: .min ... .max, using: &random), descriptor: descriptor)
    }
    return RelayDirectory(
        chainID: 1, contract: .zero, blockNumber: block, blockHash: Word256(block), blockTime: 1_000_100,
        wholeTime: 1_000_100, storageRoot: Word256(block), entries: entries)
}

func without(_ directory: RelayDirectory, _ entries: [RelayEntry]) -> RelayDirectory {
    RelayDirectory(
        chainID: directory.chainID, contract: directory.contract, blockNumber: directory.blockNumber + 1,
        blockHash: directory.blockHash, blockTime: directory.blockTime,
        wholeTime: directory.wholeTime, storageRoot: directory.storageRoot, entries: entries)
}

@Suite struct DirectoryTests {
    @Test func relaysAreSharedOutEvenly() throws {
        var random = SeededGenerator(seed: 5)
        let list = directory(20, using: &random)
        var homes: [PeerID: Int] = [:]
        for _ in 0..<2_000 {
            let peer = try #require(PeerID(bytes: random.bytes(32)))
            for entry in list.ranking(for: peer).prefix(RelayDirectory.homesMax) {
                homes[entry.identity, default: 0] += 1
            }
        }
        // 300 each on average, with a standard deviation of 16.
        #expect(homes.count == 20 && homes.values.allSatisfy { (200...400).contains($0) }, "\(homes.values.sorted())")
    }

    @Test func aRelayThatLeavesMovesOnlyWhoWasThere() throws {
        var random = SeededGenerator(seed: testSeed())
        let list = directory(30, using: &random)
        let peer = try #require(PeerID(bytes: random.bytes(32)))
        let ranking = list.ranking(for: peer)
        let gone = try #require(list.entries.randomElement(using: &random))
        let after = without(list, list.entries.filter { $0 != gone }).ranking(for: peer)
        #expect(after == ranking.filter { $0 != gone })
    }

    @Test func nodesWhoseListsAreOneRefreshApartStillMeet() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<300 {
            let count = Int.random(in: 8...100, using: &random)
            let all = directory(count + 3, using: &random).entries
            // Three came and three went between the two readings, and two of the relays are down for everyone.
            let base = directory(0, using: &random)
            let old = without(base, Array(all.dropLast(3)))
            let new = without(base, Array(all.dropFirst(3)))
            let peer = try #require(PeerID(bytes: random.bytes(32)))
            let down = Set(all.shuffled(using: &random).prefix(2).map(\.identity))
            let homes = old.ranking(for: peer).filter { !down.contains($0.identity) }.prefix(RelayDirectory.homesMax)
            let dialled = new.ranking(for: peer).prefix(RelayDirectory.dialsMax)
            let meeting = homes.filter { home in dialled.contains { $0.identity == home.identity } }
            // Homes that went are no place to meet; unless all three went at once there is one.
            #expect(!meeting.isEmpty || homes.allSatisfy { home in !new.entries.contains(home) })
        }
    }

    @Test func silentRelaysAndThoseWithoutDescriptorAreNotUsed() {
        var random = SeededGenerator(seed: 1)
        var entries = directory(4, using: &random).entries
        entries[0].heartbeat = 1_000_100 - 86_401
        entries[1].heartbeat = 1_000_100 - 86_400
        entries[2].descriptor = nil
        entries[3].registrationValue = nil
        let list = without(directory(0, using: &random), entries)
        #expect(list.usable.map(\.identity) == [entries[1].identity, entries[3].identity])
        #expect(list.ranking(for: entries[0].identity).map(\.identity) == [entries[1].identity])
    }

    @Test func nobodyIsLedToItself() throws {
        var random = SeededGenerator(seed: 1)
        for (host, isUsed) in [
            ("127.0.0.1", false), ("[::1]", false), ("169.254.169.254", false), ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("[::ffff:127.0.0.1]", false), ("[fe80::1]", false), ("localhost", false), ("198.51.100.1", true),
            ("[2001:db8::1]", true), ("relay.example", true),
        ] {
            var entries = directory(1, using: &random).entries
            entries[0].descriptor = RelayDescriptor(url: try RelayURL("wss://\(host)"), region: nil)
            let list = without(directory(0, using: &random), entries)
            #expect(list.usable.count == (isUsed ? 1 : 0), "\(host)")
        }
    }
}

@Suite struct DescriptorTests {
    @Test func aDescriptorIsReadAsItWasWritten() throws {
        let url = try RelayURL("wss://[2001:db8::1]:8443")
        for region in [nil, "eu-west", "São Paulo"] {
            let descriptor = try #require(RelayDescriptor(url: url, region: region))
            #expect(RelayDescriptor(bytes: descriptor.encoded) == descriptor)
            // A field of a later version.
            #expect(RelayDescriptor(bytes: descriptor.encoded + [0, 9, 0, 2, 1, 2]) == descriptor)
        }
        #expect(RelayDescriptor(url: try RelayURL("wss://relay.example/reboot"), region: nil) == nil)
        #expect(RelayDescriptor(url: url, region: "") == nil)
        #expect(RelayDescriptor(url: url, region: "a\nb") == nil)
        #expect(RelayDescriptor(url: url, region: String(repeating: "a", count: 33)) == nil)
    }

    @Test func whatDoesNotAddUpIsNone() throws {
        let bytes = try #require(RelayDescriptor(url: try RelayURL("wss://relay.example"), region: "eu")).encoded
        for count in bytes.indices where count != bytes.count - 6 {
            #expect(RelayDescriptor(bytes: Array(bytes.prefix(count))) == nil, "\(count) bytes")
        }
        let bad: [[UInt8]] = [
            [], [0, 2, 0, 1, 65], [0, 1, 0, 4] + Array("http".utf8), bytes + bytes,
            bytes + [UInt8](repeating: 0, count: 600),
            [0, 1, 0xFF, 0xFF] + Array("wss://a.example".utf8), [0, 1, 0, 2, 0xC3, 0x28],
        ]
        for bytes in bad { #expect(RelayDescriptor(bytes: bytes) == nil, "\(bytes)") }
    }

    @Test func randomBytesAreSurvived() {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<5_000 {
            var bytes = random.bytes(Int.random(in: 0...40, using: &random))
            for index in bytes.indices where Bool.random(using: &random) { bytes[index] &= 3 }
            if let descriptor = RelayDescriptor(bytes: bytes) {
                #expect(RelayDescriptor(bytes: descriptor.encoded) == descriptor)
            }
        }
    }
}

@Suite struct WeaknessTests {
    @Test(arguments: [
        (["https://a.example/key", "https://b.example", "https://c.example"], 0), (["https://a.example"], 1),
        (["https://a.example/one", "https://a.example/two", "https://b.example"], 1),
        (["https://a.example:1", "https://a.example:2", "https://b.example"], 1),
        (["http://a.example", "https://b.example"], 1), (["http://203.0.113.5", "https://b.example"], 1),
        (
            [
                "http://localhost:8545", "http://192.168.1.5", "http://[::1]:8545", "http://10.0.0.1",
                "http://[fd00::1]",
            ], 0
        ),
    ]) func endpointsThatDoNotCheckEachOtherAreNamed(urls: [String], count: Int) {
        var source = RegistrySource(chainID: 1, contract: .address(.zero), endpoints: urls)
        #expect(source.weaknesses.count == count, "\(source.weaknesses)")
        source.chainID = 31_337
        #expect(source.weaknesses.isEmpty)
    }
}

@Suite struct BlockQuorumTests {
    private static func header(_ number: UInt64, _ salt: UInt64 = 0) throws -> BlockHeader {
        let zeros = "0x" + String(repeating: "0", count: 64)
        var fields = [
            "logsBloom": "0x" + String(repeating: "0", count: 512), "miner": "0x" + String(repeating: "0", count: 40),
            "nonce": "0x0000000000000000", "difficulty": "0x0", "gasLimit": "0x0", "gasUsed": "0x0", "timestamp": "0x1",
            "extraData": Hexadecimal.text(Word256(salt).bytes), "number": Hexadecimal.quantity(number),
        ]
        for name in ["parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash"] {
            fields[name] = zeros
        }
        return try BlockHeader { fields[$0] }
    }

    @Test func theHighestBlockThatAMajorityHasIsTaken() throws {
        let reports = try [(0, 10), (1, 12), (2, 11)].map {
            BlockQuorum.Report(endpoint: $0, header: try Self.header($1))
        }
        var quorum = try #require(BlockQuorum(reports, configured: 3))
        #expect(quorum.number == 11 && quorum.others == [0, 1])
        #expect(quorum.verdict == nil)
        quorum.add(.init(endpoint: 1, header: try Self.header(11)))
        let verdict = try #require(quorum.verdict)
        #expect(verdict.agreeing == [1, 2] && verdict.outvoted == [] && verdict.header.number == 11)
    }

    @Test func aMinorityDecidesNothing() throws {
        var random = SeededGenerator(seed: testSeed())
        for _ in 0..<500 {
            let count = Int.random(in: 3...9, using: &random)
            let liars = Set((0..<count).shuffled(using: &random).prefix((count - 1) / 2))
            var reports: [BlockQuorum.Report] = []
            for endpoint in 0..<count {
                let number =
                    liars.contains(endpoint)
                    ? UInt64.random(in: 0...200, using: &random) : UInt64.random(in: 100...103, using: &random)
                reports.append(
                    .init(endpoint: endpoint, header: try Self.header(number, liars.contains(endpoint) ? 1 : 0)))
            }
            var quorum = try #require(BlockQuorum(reports, configured: count))
            #expect((100...103).contains(quorum.number))
            for endpoint in quorum.others {
                quorum.add(
                    .init(endpoint: endpoint, header: try Self.header(quorum.number, liars.contains(endpoint) ? 1 : 0)))
            }
            let verdict = try #require(quorum.verdict)
            #expect(verdict.header == (try Self.header(quorum.number)) && Set(verdict.agreeing).isDisjoint(with: liars))
        }
    }

    @Test func halfIsNoMajority() throws {
        let reports = try (0..<4).map { BlockQuorum.Report(endpoint: $0, header: try Self.header(5, UInt64($0 % 2))) }
        #expect(try #require(BlockQuorum(reports, configured: 4)).verdict == nil)
        #expect(BlockQuorum(Array(reports.prefix(1)), configured: 2) == nil)
        #expect(BlockQuorum([], configured: 1) == nil)
    }
}
