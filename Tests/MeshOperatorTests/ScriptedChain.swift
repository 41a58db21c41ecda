import Foundation
import Logging
import MeshBase
import MeshEthereum
import MeshRegistry
import Synchronization

/// An endpoint that serves a chain of one account and one relay, as told.
final class ScriptedChain: RPCTransport {
    /// What it answers; texts are quantities.
    struct State: Sendable {
        var chainID = "0x7a69"
        var baseFee = "0x3b9aca00"
        var tip = "0x3b9aca00"
        var balance = "0xde0b6b3a7640000"
        var gas = "0x7530"
        /// Seconds since 1970; `nil` when the relay is not registered.
        var heartbeat: UInt64? = 1_000_000
        var isDrawn = true
        var sent: [[UInt8]] = []
    }

    /// What an endpoint answers in place of the truth; `nil` for a refusal.
    typealias Lie = @Sendable (_ method: String, _ truth: JSONValue?) -> JSONValue?

    static let gasUsed: UInt64 = 29_051
    private let state: Mutex<State>
    private let liars: [String: Lie]

    init(liars: [String: Lie] = [:], _ change: (inout State) -> Void = { _ in }) {
        var made = State()
        change(&made)
        state = Mutex(made)
        self.liars = liars
    }

    /// What a relay that beat at that second looks like.
    static func node(heartbeat: UInt64) -> JSONValue {
        var state = State()
        state.heartbeat = heartbeat
        return node(state).map { .string(Hexadecimal.text($0)) } ?? .null
    }

    /// The transactions that were sent, encoded.
    var sent: [[UInt8]] { state.withLock { $0.sent } }

    func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data {
        guard let batch = (try? JSONDecoder().decode(JSONValue.self, from: body))?.array else { throw .notJSONRPC }
        let answers = batch.map { item in
            var answer: [String: JSONValue] = ["jsonrpc": .string("2.0"), "id": item["id"] ?? .null]
            let method = item["method"]?.string ?? ""
            let liar = self.liars[url]
            // A liar keeps transactions to itself.
            let isSwallowed = liar != nil && method == "eth_sendRawTransaction"
            let truth = isSwallowed ? nil : self.result(method, item["params"]?.array ?? [])
            if let result = liar.map({ $0(method, truth) }) ?? truth {
                answer["result"] = result
            } else {
                answer["error"] = .object([
                    "code": .integer(3), "message": .string("execution reverted: not registered"),
                ])
            }
            return JSONValue.object(answer)
        }
        guard let data = try? JSONEncoder().encode(JSONValue.array(answers)) else { throw .notJSONRPC }
        return data
    }

    private func result(_ method: String, _ parameters: [JSONValue]) -> JSONValue? {
        state.withLock { state in
            switch method {
            case "eth_chainId": .string(state.chainID)
            case "eth_getTransactionCount": .string("0x5")
            case "eth_getBlockByNumber": .object(["baseFeePerGas": .string(state.baseFee)])
            case "eth_maxPriorityFeePerGas": .string(state.tip)
            case "eth_getBalance": .string(state.balance)
            case "eth_estimateGas": .string(state.gas)
            case "eth_call": Self.node(state).map { .string(Hexadecimal.text($0)) }
            case "eth_sendRawTransaction": Self.take(parameters, &state)
            case "eth_getTransactionReceipt" where state.sent.isEmpty: .null
            case "eth_getTransactionReceipt":
                .object([
                    "status": .string("0x1"), "gasUsed": .string(Hexadecimal.quantity(Self.gasUsed)),
                    "effectiveGasPrice": .string("0x77359400"), "blockNumber": .string("0x10"),
                ])
            default: nil
            }
        }
    }

    private static func take(_ parameters: [JSONValue], _ state: inout State) -> JSONValue? {
        guard let bytes = parameters.first?.string.flatMap({ try? Hexadecimal.bytes($0) }) else { return nil }
        state.sent.append(bytes)
        return .string("\(Keccak256.hash(bytes))")
    }

    /// What getNode returns (Contracts/STORAGE.md section 3).
    private static func node(_ state: State) -> [UInt8]? {
        guard let heartbeat = state.heartbeat else { return nil }
        let words: [UInt64] = [1, 2, 3, 4, 5, heartbeat, 7, 0, state.isDrawn ? 1 : 0, 9]
        return words.flatMap { Word256($0).bytes }
    }
}

/// A log that keeps what was said.
final class KeptLog: Sendable {
    private let lines = Mutex<[String]>([])

    /// What was said at that level.
    var all: [String] { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: KeptLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.lines.withLock { $0.append("\(event.level) \(event.message)") }
        }
    }
}
