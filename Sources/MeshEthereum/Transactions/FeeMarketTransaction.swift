/// A transaction with a fee that follows the market (EIP-1559, type 2), without access list.
public struct FeeMarketTransaction: Hashable, Sendable {
    /// The first byte of its encoding (EIP-2718).
    private static let type: UInt8 = 2

    /// The chain that it is for.
    public var chainID: UInt64
    /// How many transactions the sender sent before.
    public var nonce: UInt64
    /// Wei for each unit of gas that go to whoever makes the block, at most.
    public var maxPriorityFeePerGas: UInt128
    /// Wei for each unit of gas in all, at most.
    public var maxFeePerGas: UInt128
    /// Units of gas, at most.
    public var gasLimit: UInt64
    /// Who is called; `nil` to create a contract.
    public var to: EthereumAddress?
    /// Wei that go along.
    public var value: UInt128
    /// What the contract is called with, or the code that creates it.
    public var data: [UInt8]

    /// Makes a transaction.
    public init(
        chainID: UInt64, nonce: UInt64, maxPriorityFeePerGas: UInt128, maxFeePerGas: UInt128, gasLimit: UInt64,
        to: EthereumAddress?, value: UInt128, data: [UInt8]
    ) {
        self.chainID = chainID
        self.nonce = nonce
        self.maxPriorityFeePerGas = maxPriorityFeePerGas
        self.maxFeePerGas = maxFeePerGas
        self.gasLimit = gasLimit
        self.to = to
        self.value = value
        self.data = data
    }

    /// What the sender signs.
    public var signingHash: Word256 { Keccak256.hash(encoded(with: [])) }

    /// The bytes that are sent; their hash names the transaction.
    public func encoded(signature: RecoverableSignature) -> [UInt8] {
        encoded(with: [
            .number(UInt64(signature.parity)), .number(signature.r), .number(signature.s),
        ])
    }

    private func encoded(with signature: [RLPItem]) -> [UInt8] {
        let fields: [RLPItem] = [
            .number(chainID), .number(nonce), .number(maxPriorityFeePerGas), .number(maxFeePerGas), .number(gasLimit),
            .bytes(to?.bytes ?? []), .number(value), .bytes(data), .list([]),
        ]
        return [Self.type] + RLPItem.list(fields + signature).encoded
    }
}

/// A signature over secp256k1 that tells its key (SEC 1 section 4.1.6), with the lower of the two values of s (EIP-2).
public struct RecoverableSignature: Hashable, Sendable {
    /// The x coordinate of the signature's point.
    public let r: Word256
    /// The proof.
    public let s: Word256
    /// 1 when the y coordinate of the point is odd, else 0.
    public let parity: UInt8

    /// Makes a signature of its parts.
    public init(r: Word256, s: Word256, parity: UInt8) {
        self.r = r
        self.s = s
        self.parity = parity
    }
}
