/// What an endpoint said that is proven to be false.
public enum EndpointLie: Error, Hashable, Sendable, CustomStringConvertible {
    /// A header that does not hash to the block's hash.
    case header
    /// Another block than the majority has at that place.
    case block
    /// Another answer to a call than the majority's.
    case call
    /// Proofs that do not lead to the state of the block.
    case proof(String)
    /// A value that its own proof contradicts.
    case value
    /// It left a descriptor out that the state demands.
    case missingDescriptor
    /// It left an event out that others told and that is proven to have happened.
    case missingEvent
    /// An event that is none of the contract's, or that changed nothing.
    case inventedEvent
    /// A descriptor that does not hash to what the state says, or that nobody asked for.
    case inventedDescriptor

    /// What was false.
    public var description: String {
        switch self {
        case .header: "gave a header that does not hash to the hash of its block"
        case .block: "has another block than the majority"
        case .call: "gives another result of a call than the majority"
        case .proof(let reason): "gave a proof that does not hold (\(reason))"
        case .value: "gave a value that differs from its proof"
        case .missingDescriptor: "withholds a descriptor that the registry holds"
        case .missingEvent: "withholds an event of the registry"
        case .inventedEvent: "gave an event that the registry did not have"
        case .inventedDescriptor: "gave a descriptor that is not the registry's"
        }
    }
}
