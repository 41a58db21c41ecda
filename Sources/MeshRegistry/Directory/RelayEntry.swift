public import MeshBase
public import MeshEthereum

/// A relay as the registry lists it, every word of it proven.
public struct RelayEntry: Hashable, Sendable {
    /// A relay beats every 8 hours; without a beat for a day it is not used (Contracts/STORAGE.md, "Active").
    public static let activeSeconds: UInt64 = 86_400

    /// Whom the relay has to prove to be.
    public var identity: PeerID
    /// The account that registered it. Anyone may register any identity, beside the entry of its true holder.
    public var account: EthereumAddress
    /// Keccak-256 of the descriptor.
    public var descriptorHash: Word256
    /// The number of the block whose event holds the descriptor.
    public var descriptorBlock: UInt64
    /// Wei that are locked.
    public var stake: UInt128
    /// Seconds since 1970 of the last sign of life.
    public var heartbeat: UInt64
    /// Seconds since 1970 of the registration.
    public var registered: UInt64
    /// What home relays are chosen by, drawn by chance after the registration; `nil` while it is not.
    public var registrationValue: UInt64?
    /// The descriptor; `nil` when no endpoint gave it, or it does not add up.
    public var descriptor: RelayDescriptor?

    /// Makes an entry of its parts.
    public init(
        identity: PeerID, account: EthereumAddress, descriptorHash: Word256, descriptorBlock: UInt64, stake: UInt128,
        heartbeat: UInt64, registered: UInt64, registrationValue: UInt64?, descriptor: RelayDescriptor? = nil
    ) {
        self.identity = identity
        self.account = account
        self.descriptorHash = descriptorHash
        self.descriptorBlock = descriptorBlock
        self.stake = stake
        self.heartbeat = heartbeat
        self.registered = registered
        self.registrationValue = registrationValue
        self.descriptor = descriptor
    }

    /// Whether the relay gave a sign of life within a day before that second.
    public func isActive(at second: UInt64) -> Bool { second <= heartbeat + Self.activeSeconds }
}
