/// What a node found out about the address translators between it and its relays.
public struct NATStatus: Sendable, Hashable, Codable {
    /// What users call it: `none`, `full cone`, `restricted cone`, `port-restricted cone`, `cone`, `symmetric`,
    /// `UDP blocked` or `unknown`.
    public var type: String
    /// What decides which port outside a socket gets (RFC 4787 section 4.1).
    public var mapping: String
    /// From whom a packet to such a port is let in (RFC 4787 section 5).
    public var filtering: String
    /// Whether a socket keeps its port outside.
    public var keepsPort: Bool
    /// From each new mapping's port to the next; absent where that cannot be told.
    public var portStep: Int?

    /// Whether hosts behind the translator reach each other by its address outside; absent where that cannot be told.
    public var hairpin: Bool?
    /// Where peers reach this node by a port that the gateway forwards; absent while it forwards none.
    public var mappedAddress: String?
    /// How the gateway was asked: `PCP`, `NAT-PMP` or `UPnP`.
    public var mappedBy: String?
    /// Whether all this was not found out but set (`nat_type`); absent where it was not.
    public var isOverridden: Bool?

    /// Makes a status.
    public init(
        type: String, mapping: String, filtering: String, keepsPort: Bool, portStep: Int? = nil, hairpin: Bool? = nil,
        isOverridden: Bool = false
    ) {
        self.type = type
        self.mapping = mapping
        self.filtering = filtering
        self.keepsPort = keepsPort
        self.portStep = portStep
        self.hairpin = hairpin
        self.isOverridden = isOverridden ? true : nil
    }

    /// In words, in lines of at most 100 columns.
    var text: String {
        let name = "address translation: \(type)" + (isOverridden == true ? " (set by nat_type)" : "")
        let forwarded = mappedAddress.map { "\n  the gateway forwards \($0) (\(mappedBy ?? "unknown"))" } ?? ""
        guard type != "none", type != "UDP blocked" else { return name + forwarded }
        return name + forwarded + "\n  mapping \(mapping)\n  filtering \(filtering)" + more
    }

    private var more: String {
        let ports = keepsPort ? "\n  keeps ports" : portStep.map { "\n  each port \($0) from the one before" } ?? ""
        return ports + (hairpin.map { "\n  hairpin \($0 ? "yes" : "no")" } ?? "")
    }
}
