import Foundation
import MeshBase
import MeshEthereum
import MeshRegistry
import Synchronization
import Testing

/// The registry of Tests/Vectors/registry/registry.json, served by endpoints of which some may lie.
final class VectorChain: RPCTransport {
    /// Changes what an endpoint answers to a call; an object with `code` is a refusal, `nil` no answer at all.
    typealias Twist = @Sendable (RPCCall, JSONValue) -> JSONValue?

    static let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Vectors/registry")
        .standardizedFileURL.path
    static let isThere = FileManager.default.fileExists(atPath: directory + "/registry.json")

    let file: JSONValue
    private let part: Mutex<String>
    private let twists: [String: Twist]
    private let laggards: [String: String]
    private let requests = Mutex<[String: Int]>([:])
    private let methods = Mutex<[String: Int]>([:])

    /// `part` is `listed`, `later` or `empty`; endpoints that lag are at another one.
    init(_ part: String = "listed", laggards: [String: String] = [:], twists: [String: Twist] = [:]) throws {
        let data = try Data(contentsOf: URL(filePath: "\(Self.directory)/registry.json"))
        file = try JSONDecoder().decode(JSONValue.self, from: data)
        self.part = Mutex(part)
        self.twists = twists
        self.laggards = laggards
    }

    /// What the chain holds now.
    var registry: JSONValue { file[part.withLock { $0 }] ?? .null }

    /// Time passes.
    func move(to part: String) { self.part.withLock { $0 = part } }

    /// How often a method was called, and for proofs how many slots were asked for.
    func count(_ method: String) -> Int { methods.withLock { $0[method] ?? 0 } }

    /// The source by a name that ENS on that chain resolves, or by one that it does not know.
    func source(_ endpoints: [String], name: String) throws -> RegistrySource {
        let name = try #require(registry["ens"]?[name]?["name"]?.string.flatMap { ENSName($0) })
        let ens = try #require(registry["ens"]?["registry"]?.string.flatMap { EthereumAddress(text: $0) })
        return RegistrySource(chainID: 31_337, contract: .name(name, registry: ens), endpoints: endpoints)
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

    func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data {
        requests.withLock { $0[url, default: 0] += 1 }
        guard let batch = (try? JSONDecoder().decode(JSONValue.self, from: body))?.array else { throw .notJSONRPC }
        var answers: [JSONValue] = []
        for item in batch {
            let call = RPCCall(item["method"]?.string ?? "", item["params"]?.array ?? [])
            let honest = answer(call, of: url)
            guard let result = twists[url].map({ $0(call, honest) }) ?? honest else { throw .timedOut }
            let name = result["code"] == nil ? "result" : "error"
            answers.append(.object(["jsonrpc": .string("2.0"), "id": item["id"] ?? .null, name: result]))
        }
        // Endpoints need not keep the order.
        guard let data = try? JSONEncoder().encode(JSONValue.array(answers.reversed())) else { throw .notJSONRPC }
        return data
    }

    /// What an endpoint has at a block: the newest, or that of a number unless it is beyond that.
    private func registry(at tag: JSONValue?, of url: String) -> JSONValue {
        let head = laggards[url] ?? part.withLock { $0 }
        guard let number = tag?.string, number.hasPrefix("0x") else { return file[head] ?? .null }
        let known = head == "later" ? ["later", "listed"] : [head]
        return known.compactMap { file[$0] }.first { $0["block"]?["number"]?.string == number } ?? .null
    }

    private func answer(_ call: RPCCall, of url: String) -> JSONValue {
        let slots = call.method == "eth_getProof" ? call.parameters[1].array ?? [] : []
        methods.withLock {
            $0[call.method, default: 0] += 1
            $0["slots", default: 0] += slots.count
        }
        return switch call.method {
        case "eth_chainId": .string("0x7a69")
        case "eth_getBlockByNumber": registry(at: call.parameters[0], of: url)["block"] ?? .null
        case "eth_getProof":
            proof(of: slots, at: call.parameters[0].string ?? "", in: registry(at: call.parameters[2], of: url))
        case "eth_getLogs": logs(call.parameters[0], in: registry(at: nil, of: url))
        case "eth_call": resolution(call.parameters[0], in: registry(at: call.parameters[1], of: url))
        default: .null
        }
    }

    /// The proofs that were recorded of an account.
    private func proof(of slots: [JSONValue], at address: String, in registry: JSONValue) -> JSONValue {
        let ens = registry["ens"]
        let proofs = [
            registry["proof"], ens?["known"]?["registry_proof"], ens?["known"]?["resolver_proof"],
            ens?["unknown"]?["registry_proof"], ens?["unknown"]?["resolver_proof"],
        ].compactMap { $0?.object }.filter { $0["address"]?.string?.lowercased() == address.lowercased() }
        guard var answer = proofs.first else { return .null }
        let recorded = proofs.flatMap { $0["storageProof"]?.array ?? [] }
        func word(_ value: JSONValue?) -> Word256? {
            value?.string.flatMap { text in
                (try? Hexadecimal.quantity(text)) ?? (try? Hexadecimal.bytes(text)).flatMap { Word256(bigEndian: $0) }
            }
        }
        answer["storageProof"] = .array(slots.compactMap { slot in recorded.first { word($0["key"]) == word(slot) } })
        return .object(answer)
    }

    /// The registry of names says which resolver, the resolver which address.
    private func resolution(_ call: JSONValue, in registry: JSONValue) -> JSONValue {
        let isResolver = call["data"]?.string?.hasPrefix("0x3b3b57de") == true
        let text = isResolver ? registry["address"]?.string : registry["ens"]?["resolver"]?.string
        return .string("0x" + String(repeating: "0", count: 24) + (text ?? "").dropFirst(2).lowercased())
    }

    private func logs(_ filter: JSONValue, in registry: JSONValue) -> JSONValue {
        let wanted = filter["topics"]?.array ?? []
        func number(_ value: JSONValue?) -> UInt64? {
            value?.string.flatMap { try? Hexadecimal.quantity($0) }.flatMap { $0.uint64 }
        }
        let (first, last) = (number(filter["fromBlock"]) ?? 0, number(filter["toBlock"]) ?? .max)
        return .array(
            (registry["logs"]?.array ?? []).filter { log in
                guard let block = number(log["blockNumber"]), block >= first, block <= last else {
                    return false
                }
                let topics = log["topics"]?.array ?? []
                return wanted.enumerated().allSatisfy { index, alternatives in
                    alternatives.isNull || (index < topics.count && alternatives.array?.contains(topics[index]) == true)
                }
            })
    }
}
