public import MeshEthereum

/// Which registry is read, and through whom.
public struct RegistrySource: Hashable, Sendable {
    /// How the contract is named.
    public enum Contract: Hashable, Sendable {
        /// By its address.
        case address(EthereumAddress)
        /// By a name that the ENS registry at that address resolves.
        case name(ENSName, registry: EthereumAddress)
    }

    /// The chain: 1 is the main network, 11155111 Sepolia.
    public var chainID: UInt64
    /// The contract.
    public var contract: Contract
    /// URLs of endpoints; at least one.
    public var endpoints: [String]

    /// Makes the description of a registry.
    public init(chainID: UInt64, contract: Contract, endpoints: [String]) {
        self.chainID = chainID
        self.contract = contract
        self.endpoints = endpoints
    }
}

/// Why the list could not be read.
public enum RegistryFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Too few endpoints gave a finalized block of the right chain.
    case tooFewEndpoints(answering: Int, configured: Int)
    /// The endpoints have different blocks, or different answers to a call, and no majority agrees.
    case noAgreement
    /// The endpoints agree on an older block than was read before.
    case wentBack(from: UInt64, to: UInt64)
    /// The endpoints agree on another block than was read before at the same place.
    case replaced(UInt64)
    /// The name has no address.
    case unknownName(ENSName)
    /// There is no contract at the address.
    case noContract(EthereumAddress)
    /// What is proven to be there is no registry of this kind.
    case notARegistry(EthereumAddress)
    /// No endpoint gave proofs that hold.
    case unproven

    /// What happened and what to do.
    public var description: String {
        switch self {
        case .tooFewEndpoints(let answering, let configured):
            "\(answering) of \(configured) RPC endpoints gave a finalized block of the right chain; that is too few to "
                + "trust any: see the warnings before for each, and check registry.rpc in the configuration"
        case .noAgreement:
            "no majority of the RPC endpoints agrees; add endpoints of other operators to registry.rpc"
        case .wentBack(let before, let now):
            "the RPC endpoints agree on finalized block \(now), though \(before) was finalized before; they lag behind, or "
                + "serve another chain: for a chain that was made anew, remove the cache"
        case .replaced(let number):
            "the RPC endpoints have another finalized block \(number) than before; they serve another chain: for a chain "
                + "that was made anew, remove the cache"
        case .unknownName(let name):
            "\(name) has no address on this chain; check registry.contract in the configuration"
        case .noContract(let address):
            "there is no contract at \(address); check registry.contract in the configuration"
        case .notARegistry(let address):
            "the contract at \(address) is not a registry of relays; check registry.contract in the configuration"
        case .unproven: "no RPC endpoint gave proofs that hold; see the warnings before for each"
        }
    }
}
