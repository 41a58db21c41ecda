import Foundation
import Logging
import MeshBase
import MeshEthereum
import MeshRegistry
import Testing

private let endpoints = ["https://one.example", "https://two.example", "https://three.example"]
private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Between `listed` and `later` a relay beat and another one moved.
@Suite(.enabled(if: VectorChain.isThere, "the registry's vectors are not there")) struct FollowingTests {
    /// A list at the earlier block, and what a second reading makes of it.
    private static func follow(
        _ chain: VectorChain, whole: UInt64? = nil
    ) async throws -> (before: RelayDirectory, after: RelayDirectory, endpoints: [EndpointStatus]) {
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let before = try await reader.read(after: nil, descriptors: &descriptors)
        chain.move(to: "later")
        let known = RelayDirectory(
            chainID: before.chainID, contract: before.contract, blockNumber: before.blockNumber,
            blockHash: before.blockHash, blockTime: before.blockTime, wholeTime: whole ?? before.wholeTime,
            storageRoot: before.storageRoot, entries: before.entries)
        let after = try await reader.read(after: known, descriptors: &descriptors)
        return (before, after, await reader.endpoints)
    }

    /// The list as it is read without knowing any before.
    private static func later() async throws -> RelayDirectory {
        let chain = try VectorChain("later")
        var descriptors: [Word256: [UInt8]] = [:]
        return try await RegistryReader(try chain.source(endpoints), transport: chain, log: log)
            .read(after: nil, descriptors: &descriptors)
    }

    @Test func onlyWhatEventsNameIsProvenAnew() async throws {
        let chain = try VectorChain()
        let (before, after, status) = try await Self.follow(chain)
        let expected = try await Self.later()
        #expect(after.entries == expected.entries && after.entries != before.entries)
        #expect(after.blockNumber > before.blockNumber && after.wholeTime == before.wholeTime)
        #expect(status.allSatisfy { $0.lies == 0 && $0.failures == 0 })
        // The count and four words for each of three relays; then the count and four words for each of two.
        #expect(chain.count("slots") == 1 + 4 * 3 + 1 + 4 * 2)
    }

    @Test func nothingIsAskedWhileTheStorageIsTheSame() async throws {
        let chain = try VectorChain()
        let reader = RegistryReader(try chain.source(endpoints), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let first = try await reader.read(after: nil, descriptors: &descriptors)
        let (slots, searches) = (chain.count("slots"), chain.count("eth_getLogs"))
        #expect(try await reader.read(after: first, descriptors: &descriptors) == first)
        #expect(chain.count("slots") == slots + 1 && chain.count("eth_getLogs") == searches)
    }

    @Test func afterAnHourTheWholeListIsProven() async throws {
        let chain = try VectorChain()
        let (_, after, _) = try await Self.follow(chain, whole: 1)
        #expect(after.entries == (try await Self.later()).entries && after.wholeTime == after.blockTime)
        #expect(chain.count("slots") == 2 * (1 + 4 * 3))
    }

    @Test(arguments: ["all", "last", "invented", "foreign", "nonsense"])
    func anEndpointThatLiesAboutEventsIsFoundOut(kind: String) async throws {
        for liar in 0..<3 {
            let chain = try VectorChain(twists: [
                endpoints[liar]: { call, honest in
                    // Searches for descriptors name them in the fourth topic.
                    guard call.method == "eth_getLogs", var logs = honest.array,
                        call.parameters[0]["topics"]?.array?.count == 1
                    else { return honest }
                    switch kind {
                    case "all": logs = []
                    case "last": logs.removeLast()
                    case "nonsense": return .string("0x")
                    default:
                        guard var made = logs.first?.object, var topics = made["topics"]?.array else { return honest }
                        if kind == "foreign" {
                            topics[0] = topics[1]
                        } else {
                            // The third relay, which did nothing.
                            guard let other = Self.thirdRelay() else { return honest }
                            topics = [topics[0], other.identity, other.account]
                        }
                        made["topics"] = .array(topics)
                        logs.append(.object(made))
                    }
                    return .array(logs)
                }
            ])
            let (_, after, status) = try await Self.follow(chain)
            #expect(after.entries == (try await Self.later()).entries)
            for (index, endpoint) in status.enumerated() { #expect((endpoint.lies > 0) == (index == liar), "\(kind)") }
        }
    }

    @Test func whenAllSayThatTheListChangedItIsReadWhole() async throws {
        let register: VectorChain.Twist = { call, honest in
            guard call.method == "eth_getLogs", var logs = honest.array, var made = logs.first?.object,
                var topics = made["topics"]?.array
            else { return honest }
            topics[0] = .string("0x11a7b6b912db49220c71a4c83b477f565c6b1319c7146faa80e15453fc185cb8")
            made["topics"] = .array(topics)
            logs.append(.object(made))
            return call.parameters[0]["topics"]?.array?.count == 1 ? .array(logs) : honest
        }
        let chain = try VectorChain(twists: [endpoints[1]: register])
        let (_, after, _) = try await Self.follow(chain)
        #expect(after.entries == (try await Self.later()).entries && after.wholeTime == after.blockTime)
    }

    /// Events of a relay that came, or of one that is not listed, made up with every reading.
    @Test(arguments: [2, 3], ["came", "unlisted"])
    func whoMakesUpEventsCostsAtMostOneWholeReadingAnHour(endpointCount: Int, kind: String) async throws {
        let lie: VectorChain.Twist = { call, honest in
            guard call.method == "eth_getLogs", let logs = honest.array, var made = logs.first?.object,
                var topics = made["topics"]?.array, call.parameters[0]["topics"]?.array?.count == 1
            else { return honest }
            if kind == "came" {
                topics[0] = .string("0x11a7b6b912db49220c71a4c83b477f565c6b1319c7146faa80e15453fc185cb8")
            } else {
                topics[1] = .string("0x" + String(repeating: "77", count: 32))
            }
            made["topics"] = .array(topics)
            return .array(logs + [.object(made)])
        }
        let chain = try VectorChain(twists: [endpoints[0]: lie])
        let reader = RegistryReader(
            try chain.source(Array(endpoints.prefix(endpointCount))), transport: chain, log: log)
        var descriptors: [Word256: [UInt8]] = [:]
        let before = try await reader.read(after: nil, descriptors: &descriptors)
        chain.move(to: "later")
        var slots: [Int] = []
        for _ in 0..<4 {
            let known = chain.count("slots")
            let after = try await reader.read(after: before, descriptors: &descriptors)
            #expect(after.entries == (try await Self.later()).entries)
            slots.append(chain.count("slots") - known)
        }
        // Four words for each of the two entries that changed, and the count; of all three once, when it was not known yet.
        let (some, all) = (1 + 4 * 2, 1 + 4 * 3)
        #expect(slots == [kind == "came" ? all : some, some, some, some])
        let status = await reader.endpoints
        #expect(status[0].lies + status[0].failures == 1)
        #expect(status.dropFirst().allSatisfy { $0.lies == 0 && $0.failures == 0 })
    }

    private static func thirdRelay() -> (identity: JSONValue, account: JSONValue)? {
        guard let node = (try? VectorChain("later"))?.registry["nodes"]?.array?[2],
            let identity = node["identity"]?.string, let account = node["operator"]?.string
        else { return nil }
        return (.string("0x" + identity), .string("0x" + String(repeating: "0", count: 24) + account))
    }
}

@Suite(.enabled(if: VectorChain.isThere, "the registry's vectors are not there")) struct NameTests {
    @Test func aNameIsProvenAndNobodyIsAskedWhatItMeans() async throws {
        let chain = try VectorChain()
        let reader = RegistryReader(try chain.source(endpoints, name: "known"), transport: chain, log: log)
        #expect(try await reader.resolveContract() == chain.address)
        #expect(chain.count("eth_call") == 0)
    }

    @Test func anEndpointThatGivesAnotherAddressIsFoundOut() async throws {
        for (liar, word) in [0, 1, 2].flatMap({ liar in [1, 2].map { (liar, $0) } }) {
            let chain = try VectorChain(twists: [
                endpoints[liar]: { call, honest in
                    guard call.method == "eth_getProof", var answer = honest.object,
                        var storage = answer["storageProof"]?.array, storage.indices.contains(word),
                        var item = storage[word].object
                    else { return honest }
                    item["value"] = .string(
                        "0x" + String(repeating: "1", count: 40) + String(repeating: "0", count: 22) + "28")
                    storage[word] = .object(item)
                    answer["storageProof"] = .array(storage)
                    return .object(answer)
                }
            ])
            let reader = RegistryReader(try chain.source(endpoints, name: "known"), transport: chain, log: log)
            for _ in 0..<3 {
                var descriptors: [Word256: [UInt8]] = [:]
                #expect(try await reader.read(after: nil, descriptors: &descriptors).contract == chain.address)
            }
            for (index, endpoint) in await reader.endpoints.enumerated() {
                #expect((endpoint.lies > 0) == (index == liar))
            }
        }
    }

    @Test func whatIsKeptElsewhereIsWhatMostSay() async throws {
        let other: VectorChain.Twist = { call, honest in
            call.method == "eth_call" ? .string("0x" + String(repeating: "0", count: 63) + "1") : honest
        }
        let chain = try VectorChain(twists: [endpoints[1]: other])
        let reader = RegistryReader(try chain.source(endpoints, name: "unknown"), transport: chain, log: log)
        #expect(try await reader.resolveContract() == chain.address)
        #expect(await reader.endpoints.map(\.lies) == [0, 1, 0])
        let torn = try VectorChain(twists: [endpoints[1]: other, endpoints[2]: { _, _ in nil }])
        let second = RegistryReader(try torn.source(endpoints, name: "unknown"), transport: torn, log: log)
        await #expect(throws: RegistryFailure.noAgreement) { try await second.resolveContract() }
    }
}
