public import MeshEthereum

/// A call of a method of an endpoint (Ethereum JSON-RPC specification).
public struct RPCCall: Hashable, Sendable {
    /// Name of the method.
    public let method: String
    /// Its parameters in order.
    public let parameters: [JSONValue]

    /// Makes a call.
    public init(_ method: String, _ parameters: [JSONValue] = []) {
        self.method = method
        self.parameters = parameters
    }

    /// The longest answer that makes sense, in bytes of JSON.
    var answerByteCountMax: Int {
        switch method {
        // A block names its transactions, 70 bytes each: 10,000 are three times what fits today's blocks.
        case "eth_getBlockByNumber": 1 << 20
        // Up to ten nodes of 1,130 digits for the account and for each slot.
        case "eth_getProof": (1 + (parameters.dropFirst().first?.array?.count ?? 0)) * 16_384
        // 4,096 events of 1 KiB, the longest descriptors included.
        case "eth_getLogs": 4 << 20
        default: 65_536
        }
    }

    /// Which chain the endpoint serves.
    public static let chainID = RPCCall("eth_chainId")

    /// The header of a block, with the hashes of its transactions.
    public static func block(_ block: BlockTag) -> RPCCall {
        RPCCall("eth_getBlockByNumber", [.string(block.text), .bool(false)])
    }

    /// Proofs of an account and of slots of its storage (EIP-1186).
    public static func proof(_ account: EthereumAddress, slots: [Word256], at block: BlockTag) -> RPCCall {
        RPCCall(
            "eth_getProof",
            [.string("\(account)"), .array(slots.map { .string($0.description) }), .string(block.text)])
    }

    /// What a function returns.
    public static func call(_ contract: EthereumAddress, data: [UInt8], at block: BlockTag) -> RPCCall {
        let transaction: [String: JSONValue] = [
            "to": .string("\(contract)"), "data": .string(Hexadecimal.text(data)),
        ]
        return RPCCall("eth_call", [.object(transaction), .string(block.text)])
    }

    /// Logs of a contract. An empty list of topics stands for any.
    public static func logs(
        of contract: EthereumAddress, topics: [[Word256]], from first: UInt64, to last: UInt64
    ) -> RPCCall {
        let topics = topics.map { alternatives in
            alternatives.isEmpty ? JSONValue.null : .array(alternatives.map { .string($0.description) })
        }
        return RPCCall(
            "eth_getLogs",
            [
                .object([
                    "address": .string("\(contract)"), "topics": .array(topics),
                    "fromBlock": .string(Hexadecimal.quantity(first)), "toBlock": .string(Hexadecimal.quantity(last)),
                ])
            ])
    }
}

/// Which block an endpoint is asked about.
public enum BlockTag: Hashable, Sendable {
    /// The newest that cannot be replaced any more.
    case finalized
    /// The newest.
    case latest
    /// That with what the endpoint has not yet put into one.
    case pending
    /// The block of that number.
    case number(UInt64)

    /// As JSON-RPC names it.
    var text: String {
        switch self {
        case .finalized: "finalized"
        case .latest: "latest"
        case .pending: "pending"
        case .number(let number): Hexadecimal.quantity(number)
        }
    }
}
