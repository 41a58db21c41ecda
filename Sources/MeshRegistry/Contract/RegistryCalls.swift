public import MeshBase
public import MeshEthereum

/// The functions and events of the contract (Contracts/STORAGE.md sections 3 and 4).
public enum RegistryCalls {
    private static let identityType = ABIType.fixedBytes(PeerID.byteCount)

    /// The topic of the event that holds a descriptor.
    public static let endpointUpdated = ABIEncoder.signatureHash(
        "EndpointUpdated", [identityType, .address, .fixedBytes(32), .bytes])
    /// The topic of the event that a relay came.
    static let nodeRegistered = ABIEncoder.signatureHash(
        "NodeRegistered", [identityType, .address, .uint(bitCount: 256)])
    /// The topic of the event that a relay gave a sign of life.
    static let heartbeat = ABIEncoder.signatureHash("Heartbeat", [identityType, .address, .uint(bitCount: 256)])
    /// The topic of the event that a relay went.
    static let nodeDeregistered = ABIEncoder.signatureHash(
        "NodeDeregistered",
        [identityType, .address, .uint(bitCount: 256), .uint(bitCount: 256), .address])
    /// The topic of the event that a stake was paid back.
    static let stakeWithdrawn = ABIEncoder.signatureHash(
        "StakeWithdrawn", [identityType, .address, .uint(bitCount: 256)])
    /// All topics that the contract's events begin with.
    static let events = [endpointUpdated, nodeRegistered, heartbeat, nodeDeregistered, stakeWithdrawn]

    /// Lists a relay; the ether that goes along is its stake.
    public static func register(_ identity: PeerID, _ descriptor: [UInt8]) throws(ABIError) -> [UInt8] {
        try ABIEncoder.call("registerNode", [.bytes(identity.bytes), .bytes(descriptor)], as: [identityType, .bytes])
    }

    /// Says that a relay is alive.
    public static func heartbeat(_ identity: PeerID) throws(ABIError) -> [UInt8] {
        try call("updateHeartbeat", identity)
    }

    /// Replaces a descriptor.
    public static func update(_ identity: PeerID, _ descriptor: [UInt8]) throws(ABIError) -> [UInt8] {
        try ABIEncoder.call(
            "updateEndpoint", [.bytes(identity.bytes), .bytes(descriptor)], as: [identityType, .bytes])
    }

    /// Takes a relay off the list.
    public static func deregister(_ identity: PeerID) throws(ABIError) -> [UInt8] {
        try call("deregisterNode", identity)
    }

    /// Pays a stake back.
    public static func withdraw(_ identity: PeerID) throws(ABIError) -> [UInt8] { try call("withdraw", identity) }

    /// Asks for one entry.
    public static func node(_ identity: PeerID, operator account: EthereumAddress) throws(ABIError) -> [UInt8] {
        try ABIEncoder.call("getNode", [.bytes(identity.bytes), .address(account)], as: [identityType, .address])
    }

    /// What a relay's operator has to know of its entry, of what ``node(_:operator:)`` returned: seconds since 1970 of the
    /// last heartbeat, and whether its registration value is drawn.
    public static func beat(ofNode bytes: [UInt8]) throws(ABIError) -> (heartbeat: UInt64, isDrawn: Bool) {
        let number = ABIType.uint(bitCount: 256)
        let values = try ABIDecoder.decode(
            bytes, as: [identityType, .address, .fixedBytes(32), number, number, number, number, number, .bool, number])
        guard let heartbeat = values[5].number?.uint64, case .bool(let isDrawn) = values[8] else {
            throw .notOfType("Node")
        }
        return (heartbeat, isDrawn)
    }

    /// Asks for the least stake, in wei.
    public static let minimumStake = ABIEncoder.selector("MINIMUM_STAKE", [])

    /// The arguments of the constructor, which follow the creation code.
    public static func constructorArguments(
        minimumStake: UInt128, unbondingSeconds: UInt64
    ) throws(ABIError) -> [UInt8] {
        let number = ABIType.uint(bitCount: 256)
        return try ABIEncoder.encode(
            [.uint(Word256(wide: minimumStake)), .uint(unbondingSeconds)], as: [number, number])
    }

    private static func call(_ name: String, _ identity: PeerID) throws(ABIError) -> [UInt8] {
        try ABIEncoder.call(name, [.bytes(identity.bytes)], as: [identityType])
    }
}
