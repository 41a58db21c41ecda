public import MeshEthereum

/// A transaction that is ready to be signed, and what it costs.
public struct TransactionPlan: Hashable, Sendable {
    /// What would be sent.
    public let transaction: FeeMarketTransaction
    /// Units of gas that the endpoint estimates.
    public let gasEstimate: UInt64
    /// Wei for each unit of gas at the fees of the newest block.
    public let gasPrice: UInt128
    /// Wei that the account has.
    public let balance: UInt128

    /// Wei that the transaction costs at the fees of the newest block, without what it carries.
    public var feeExpected: UInt128 { gasPrice * UInt128(gasEstimate) }
    /// Wei that it costs at most, without what it carries.
    public var feeMax: UInt128 { transaction.maxFeePerGas * UInt128(transaction.gasLimit) }
}

/// What became of a transaction.
public struct TransactionReceipt: Hashable, Sendable {
    /// Its hash.
    public let hash: Word256
    /// Whether it did what it should; a transaction that was reverted costs its gas all the same.
    public let isSuccess: Bool
    /// Units of gas that it took.
    public let gasUsed: UInt64
    /// Wei for each.
    public let gasPrice: UInt128
    /// The block that it is in.
    public let blockNumber: UInt64
    /// The contract that it created.
    public let contract: EthereumAddress?
}

/// Why a transaction was not made, or not sent.
public enum TransactionFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The chain is another than the configured one.
    case wrongChain(found: UInt64, expected: UInt64)
    /// No endpoint answered.
    case noEndpoint
    /// The contract, or the endpoint, refuses.
    case refused(String)
    /// The account cannot pay.
    case tooLittleEther(has: UInt128, needs: UInt128, EthereumAddress)
    /// The fees of the chain are above the limit.
    case tooExpensive(gasPrice: UInt128, max: UInt128)
    /// It was sent, and is in no block yet.
    case notMined(Word256)
    /// It was put into a block and did nothing.
    case reverted(Word256)

    /// What happened and what to do.
    public var description: String {
        switch self {
        case .wrongChain(let found, let expected):
            "the RPC endpoint serves chain \(found), expected \(expected); check registry.network and registry.rpc"
        case .noEndpoint: "no RPC endpoint answered; see the warnings before for each, and check registry.rpc"
        case .refused(let reason): "the transaction would fail: \(reason); nothing was sent"
        case .tooLittleEther(let has, let needs, let address):
            "\(address) has \(EtherText.ether(has)) and needs up to \(EtherText.ether(needs)); send it ether; nothing was sent"
        case .tooExpensive(let gasPrice, let max):
            "gas costs \(EtherText.gwei(gasPrice)), more than the \(EtherText.gwei(max)) that are allowed; nothing was sent"
        case .notMined(let hash):
            "transaction \(hash) was sent, and is in no block yet; look for it later before sending another"
        case .reverted(let hash): "transaction \(hash) was put into a block and failed there; its gas is spent"
        }
    }
}

/// Amounts as people read them.
public enum EtherText {
    /// Ether with as many digits as it needs, such as `0.1 ETH`.
    public static func ether(_ wei: UInt128) -> String { decimal(wei, digits: 18) + " ETH" }

    /// Gwei with as many digits as it needs, such as `25 gwei`.
    public static func gwei(_ wei: UInt128) -> String { decimal(wei, digits: 9) + " gwei" }

    /// Wei of a decimal number of ether; `nil` when it is none, or has more than 18 digits behind the point.
    public static func wei(ether text: String) -> UInt128? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard !parts[0].isEmpty, parts.count == 1 || !fraction.isEmpty, fraction.count <= 18, parts[0].count <= 12
        else { return nil }
        let digits = parts[0] + fraction + String(repeating: "0", count: 18 - fraction.count)
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return UInt128(digits)
    }

    private static func decimal(_ number: UInt128, digits: Int) -> String {
        var text = String(number)
        if text.count <= digits { text = String(repeating: "0", count: digits + 1 - text.count) + text }
        let whole = text.dropLast(digits)
        var fraction = text.suffix(digits)
        while fraction.last == "0" { fraction.removeLast() }
        return fraction.isEmpty ? String(whole) : "\(whole).\(fraction)"
    }
}
