import Foundation
import Logging
import MeshBase
import MeshEthereum
import MeshRegistry
import Testing

private let endpoints = ["https://one.example/key", "https://two.example/key", "https://three.example/key"]
private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

@Suite(.enabled(if: VectorChain.isThere, "the registry's vectors are not there")) struct RegistryReaderTests {
    @Test func theListIsWhatTheContractSays() async throws {
        let chain = try VectorChain()
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let directory = try await reader.read(after: nil, descriptors: &descriptors)
        try Self.expect(directory, is: chain)
        #expect(await reader.endpoints.allSatisfy { $0.lies == 0 && $0.failures == 0 && $0.problem == nil })
    }

    @Test func anEmptyRegistryIsProvenEmpty() async throws {
        let chain = try VectorChain("empty")
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        #expect(try await reader.read(after: nil, descriptors: &descriptors).entries.isEmpty)
    }

    @Test func everyLieOfTheVectorsIsFoundOutAndChangesNothing() async throws {
        let honest = try VectorChain()
        let lies = try #require(honest.file["lies"]?.array)
        for lie in lies {
            let name = lie["name"]?.string ?? ""
            // A lie about one slot is told whenever that slot is asked for.
            let proof = try #require(honest.registry["proof"]?["storageProof"]?.array)
            let twist: VectorChain.Twist = { call, honest in
                guard call.method == "eth_getProof", var answer = honest.object else { return honest }
                for (field, value) in lie["account"]?.object ?? [:] { answer[field] = value }
                if let index = lie["index"]?.integer, let entry = lie["entry"] {
                    answer["storageProof"] = .array(
                        (answer["storageProof"]?.array ?? []).map { $0 == proof[index] ? entry : $0 })
                }
                return .object(answer)
            }
            try await Self.expectFoundOut(twist, name)
        }
        #expect(lies.count >= 5)
    }

    @Test(arguments: ["hidden", "altered", "invented", "empty"]) func descriptorsAreTakenByTheirHashOnly(
        kind: String
    ) async throws {
        try await Self.expectFoundOut(
            { call, honest in
                guard call.method == "eth_getLogs", var logs = honest.array, !logs.isEmpty else { return honest }
                switch kind {
                case "hidden": logs.removeLast()
                case "empty": logs = []
                case "altered":
                    guard var log = logs[0].object, let data = log["data"]?.string else { return honest }
                    // The last byte of the descriptor, before the zeros that fill its word.
                    let end = data.lastIndex { $0 != "0" } ?? data.startIndex
                    log["data"] = .string(data.replacingCharacters(in: end...end, with: data[end] == "1" ? "2" : "1"))
                    logs[0] = .object(log)
                default:
                    logs.append(
                        .object([
                            "data": .string(
                                "0x" + String(repeating: "0", count: 62) + "20" + String(repeating: "0", count: 64))
                        ]))
                }
                return .array(logs)
            }, kind)
    }

    @Test func anEndpointWithAnotherBlockIsOutvoted() async throws {
        for field in ["timestamp", "stateRoot"] {
            // The header changed and its hash with it.
            try await Self.expectFoundOut(
                { call, honest in
                    guard call.method == "eth_getBlockByNumber", var block = honest.object else { return honest }
                    block[field] = block[field]?.string.map { .string($0.dropLast() + ($0.hasSuffix("1") ? "2" : "1")) }
                    let changed = block
                    block["hash"] = (try? BlockHeader { changed[$0]?.string }).map { .string($0.hash.description) }
                    return .object(block)
                }, "another block")
            // The header changed alone.
            try await Self.expectFoundOut(
                { call, honest in
                    guard call.method == "eth_getBlockByNumber", var block = honest.object else { return honest }
                    block[field] = block[field]?.string.map { .string($0.dropLast() + ($0.hasSuffix("1") ? "2" : "1")) }
                    return .object(block)
                }, "another header")
        }
    }

    @Test func endpointsThatFailAreDoneWithout() async throws {
        let chain = try VectorChain(twists: [endpoints[1]: { _, _ in nil }])
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        try Self.expect(try await reader.read(after: nil, descriptors: &descriptors), is: chain)
        #expect(await reader.endpoints[1].failures > 0)
    }

    @Test func endpointsThatLagAreWaitedForAndOneThatIsAheadIsNot() async throws {
        for ahead in 0..<3 {
            let behind = endpoints.indices.filter { $0 != ahead }.map { (endpoints[$0], "listed") }
            let chain = try VectorChain("later", laggards: Dictionary(uniqueKeysWithValues: behind))
            let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
            var descriptors: [Word256: [UInt8]] = [:]
            try Self.expect(try await reader.read(after: nil, descriptors: &descriptors), is: try VectorChain())
            // Nor does one of three that lags hold the others back.
            let other = try VectorChain("later", laggards: [endpoints[ahead]: "listed"])
            let second = RegistryReader(try other.source(endpoints), transport: other, log: log)
            try Self.expect(try await second.read(after: nil, descriptors: &descriptors), is: try VectorChain("later"))
            for status in await reader.endpoints + second.endpoints { #expect(status.lies == 0) }
        }
    }

    @Test func endpointsThatLimitRangesAreAskedBlockByBlock() async throws {
        let limit: VectorChain.Twist = { call, honest in
            let filter = call.parameters.first
            guard call.method == "eth_getLogs", filter?["fromBlock"] != filter?["toBlock"] else { return honest }
            return .object(["code": .integer(-32_005), "message": .string("query exceeds the range")])
        }
        let chain = try VectorChain(
            "later", twists: Dictionary(uniqueKeysWithValues: endpoints.map { ($0, limit) }))
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let list = try await reader.read(after: nil, descriptors: &descriptors)
        #expect(list.entries.count == 3 && list.entries.allSatisfy { $0.descriptor != nil })
        #expect(await reader.endpoints.allSatisfy { $0.lies == 0 && $0.failures == 0 })
    }

    @Test func oneAnswerOfManyIsNotBelieved() async throws {
        let silent: VectorChain.Twist = { _, _ in nil }
        let chain = try VectorChain(twists: [endpoints[0]: silent, endpoints[1]: silent])
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        await #expect(throws: RegistryFailure.tooFewEndpoints(answering: 1, configured: 3)) {
            try await reader.read(after: nil, descriptors: &descriptors)
        }
        let single = RegistryReader(try chain.source([endpoints[2]]), transport: chain, log: log)
        try Self.expect(try await single.read(after: nil, descriptors: &descriptors), is: chain)
    }

    @Test func anotherChainIsNotBelieved() async throws {
        let chain = try VectorChain()
        var source = try chain.source(endpoints)
        source.chainID = 1
        let reader = RegistryReader(source, transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        await #expect(throws: RegistryFailure.tooFewEndpoints(answering: 0, configured: 3)) {
            try await reader.read(after: nil, descriptors: &descriptors)
        }
    }

    @Test func theChainDoesNotGoBack() async throws {
        let chain = try VectorChain()
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let now = try await reader.read(after: nil, descriptors: &descriptors)
        func before(_ number: UInt64, _ hash: Word256) -> RelayDirectory {
            RelayDirectory(
                chainID: now.chainID, contract: now.contract, blockNumber: number, blockHash: hash, blockTime: 0,
                wholeTime: 0, storageRoot: .zero, entries: [])
        }
        _ = try await reader.read(after: now, descriptors: &descriptors)
        await #expect(throws: RegistryFailure.wentBack(from: now.blockNumber + 1, to: now.blockNumber)) {
            try await reader.read(after: before(now.blockNumber + 1, now.blockHash), descriptors: &descriptors)
        }
        await #expect(throws: RegistryFailure.replaced(now.blockNumber)) {
            try await reader.read(after: before(now.blockNumber, .zero), descriptors: &descriptors)
        }
    }

    @Test func anAddressWithoutRegistryIsSaidToBeNone() async throws {
        let chain = try VectorChain()
        var source = try chain.source(endpoints)
        source.contract = .address(.zero)
        let reader = RegistryReader(source, transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        // The recorded proof is of another account, so it proves nothing about this one.
        await #expect(throws: RegistryFailure.self) { try await reader.read(after: nil, descriptors: &descriptors) }
    }

    /// The liar is asked first, and is the only one of three; the list is the honest one.
    private static func expectFoundOut(
        _ twist: @escaping VectorChain.Twist, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for liar in 0..<3 {
            let chain = try VectorChain(twists: [endpoints[liar]: twist])
            let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
            // Each reading asks another endpoint first.
            for _ in 0..<3 {
                var descriptors: [Word256: [UInt8]] = [:]
                try expect(try await reader.read(after: nil, descriptors: &descriptors), is: chain)
            }
            for (index, endpoint) in await reader.endpoints.enumerated() {
                #expect((endpoint.lies > 0) == (index == liar), "\(name)", sourceLocation: sourceLocation)
                #expect(endpoint.name.hasSuffix(".example"))
            }
        }
    }

    /// The list is that of the vectors.
    private static func expect(_ directory: RelayDirectory, is chain: VectorChain) throws {
        let nodes = try #require(chain.registry["nodes"]?.array)
        #expect(directory.entries.count == nodes.count)
        for (entry, node) in zip(directory.entries, nodes) {
            #expect(Hexadecimal.digits(entry.identity.bytes) == node["identity"]?.string)
            #expect(Hexadecimal.digits(entry.account.bytes) == node["operator"]?.string)
            #expect(Hexadecimal.digits(entry.descriptorHash.bytes) == node["descriptorHash"]?.string)
            #expect("\(entry.descriptorBlock)" == node["descriptorBlock"]?.string)
            #expect("\(entry.stake)" == node["stake"]?.string)
            #expect("\(entry.heartbeat)" == node["heartbeat"]?.string)
            #expect("\(entry.registered)" == node["registered"]?.string)
            let value = node["drawn"] == .bool(true) ? node["registrationValue"]?.string : nil
            #expect(entry.registrationValue.map { "\($0)" } == value)
        }
    }
}
