public import MeshBase
public import MeshEthereum

/// The list of relays as it stood after one block.
public struct RelayDirectory: Hashable, Sendable {
    /// How many relays a node stays connected to.
    public static let homesMax = 3
    /// How many of the relays that a peer may be at are tried: its homes are the three best that it can reach, so with
    /// five of eight down they are still met.
    public static let dialsMax = 8

    /// The chain.
    public let chainID: UInt64
    /// The contract.
    public let contract: EthereumAddress
    /// Number of the block.
    public let blockNumber: UInt64
    /// Hash of the block.
    public let blockHash: Word256
    /// Seconds since 1970 of the block.
    public let blockTime: UInt64
    /// Seconds since 1970 of the newest block at which every entry was proven; what changed since was proven where events told
    /// of it.
    public let wholeTime: UInt64
    /// The root of the contract's storage: while it is the same, so is the list.
    public let storageRoot: Word256
    /// All entries, silent ones too, in the order of the contract.
    public let entries: [RelayEntry]

    /// Makes a list.
    public init(
        chainID: UInt64, contract: EthereumAddress, blockNumber: UInt64, blockHash: Word256, blockTime: UInt64,
        wholeTime: UInt64, storageRoot: Word256, entries: [RelayEntry]
    ) {
        self.chainID = chainID
        self.contract = contract
        self.blockNumber = blockNumber
        self.blockHash = blockHash
        self.blockTime = blockTime
        self.wholeTime = wholeTime
        self.storageRoot = storageRoot
        self.entries = entries
    }

    /// The chain of a network on one's own machine (31337), where relays may be on that machine too.
    static let developmentChainID: UInt64 = 31_337

    /// The entries with a sign of life within a day before the block, and a descriptor that does not lead a node to itself
    /// or into its own link.
    public var usable: [RelayEntry] {
        entries.filter { entry in
            guard let host = entry.descriptor?.url.server.host, entry.isActive(at: blockTime) else { return false }
            guard let address = IPAddress(text: host) else { return host != "localhost" || isOfDevelopment }
            return address.unmapped.isReachableFromOtherHosts || isOfDevelopment
        }
    }

    private var isOfDevelopment: Bool { chainID == Self.developmentChainID }

    /// The relays at which that peer is to be met, the best first (rendezvous hashing): all whose registration value is
    /// drawn, by falling score.
    public func ranking(for peer: PeerID) -> [RelayEntry] {
        usable.compactMap { entry in entry.registrationValue.map { (entry, Self.score(of: $0, for: peer)) } }
            .sorted { left, right in
                left.1 != right.1
                    ? left.1 > right.1 : (left.0.identity, left.0.account) < (right.0.identity, right.0.account)
            }.map(\.0)
    }

    /// The highest 64 bits of Keccak-256 over a name, the peer's ID and the registration value.
    ///
    /// Nobody chooses a registration value, and a peer ID's owner gains nothing by choosing its own relays.
    static func score(of registrationValue: UInt64, for peer: PeerID) -> UInt64 {
        let value = Word256(registrationValue).bytes.suffix(8)
        let hash = Keccak256.hash(Array("ShadowMesh home relay 1".utf8), peer.bytes, Array(value))
        return UInt64(truncatingIfNeeded: hash.bits(64, from: 192))
    }
}
