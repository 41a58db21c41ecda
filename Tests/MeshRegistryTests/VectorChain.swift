import Foundation
import MeshBase
import MeshEthereum
import MeshRegistry
import Synchronization
import Testing

/// The registry of Tests/Vectors/registry/registry.json, served by endpoints of which some may lie.
final class VectorChain: RPCTransport {
    /// Changes what an endpoint answers to a call; `nil` for no answer at all.
    typealias Twist = @Sendable (RPCCall, JSONValue) -> JSONValue?

    static let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/registry")
        .standardizedFileURL.path
    static let isThere = FileManager.default.fileExists(atPath: directory + "/registry.json")

    let file: JSONValue
    let registry: JSONValue
    private let twists: [String: Twist]
    private let requests = Mutex<[String: Int]>([:])

    /// `part` is `listed` or `empty`.
    init(_ part: String = "listed", twists: [String: Twist] = [:]) throws {
        let data = try Data(contentsOf: URL(filePath: "\(Self.directory)/registry.json"))
        file = try JSONDecoder().decode(JSONValue.self, from: data)
        registry = try #require(file[part])
        self.twists = twists
    }

    var address: EthereumAddress {
        get throws {
            let text = try #require(registry["address"]?.string)
            return try #require(EthereumAddress(text: text))
        }
    }

    func source(_ endpoints: [String]) throws -> RegistrySource {
        RegistrySource(chainID: 31_337, contract: .address(try address), endpoints: endpoints)
    }

    func requestCount(_ url: String) -> Int { requests.withLock { $0[url] ?? 0 } }

    func post(_ body: Data, to url: String) async throws(RPCFailure) -> Data {
        requests.withLock { $0[url, default: 0] += 1 }
        guard let batch = (try? JSONDecoder().decode(JSONValue.self, from: body))?.array else { throw .notJSONRPC }
        var answers: [JSONValue] = []
        for item in batch {
            let call = RPCCall(item["method"]?.string ?? "", item["params"]?.array ?? [])
            let honest = answer(call)
            guard let result = twists[url].map({ $0(call, honest) }) ?? honest else { throw .timedOut }
            answers.append(.object(["jsonrpc": .string("2.0"), "id": item["id"] ?? .null, "result": result]))
        }
        // Endpoints need not keep the order.
        guard let data = try? JSONEncoder().encode(JSONValue.array(answers.reversed())) else { throw .notJSONRPC }
        return data
    }

    private func answer(_ call: RPCCall) -> JSONValue {
        switch call.method {
        case "eth_chainId": .string("0x7a69")
        case "eth_getBlockByNumber": registry["block"] ?? .null
        case "eth_getProof": proof(of: call.parameters[1].array ?? [])
        case "eth_getLogs": logs(call.parameters[0])
        default: .null
        }
    }

    private func proof(of slots: [JSONValue]) -> JSONValue {
        guard var answer = registry["proof"]?.object, let recorded = answer["storageProof"]?.array else { return .null }
        func word(_ value: JSONValue?) -> Word256? {
            value?.string.flatMap { text in
                (try? Hexadecimal.quantity(text)) ?? (try? Hexadecimal.bytes(text)).flatMap { Word256(bigEndian: $0) }
            }
        }
        answer["storageProof"] = .array(slots.compactMap { slot in recorded.first { word($0["key"]) == word(slot) } })
        return .object(answer)
    }

    private func logs(_ filter: JSONValue) -> JSONValue {
        let wanted = filter["topics"]?.array ?? []
        return .array(
            (registry["logs"]?.array ?? []).filter { log in
                let topics = log["topics"]?.array ?? []
                return wanted.enumerated().allSatisfy { index, alternatives in
                    alternatives.isNull || (index < topics.count && alternatives.array?.contains(topics[index]) == true)
                }
            })
    }
}
