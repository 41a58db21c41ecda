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

    /// Makes a status.
    public init(type: String, mapping: String, filtering: String, keepsPort: Bool, portStep: Int? = nil) {
        self.type = type
        self.mapping = mapping
        self.filtering = filtering
        self.keepsPort = keepsPort
        self.portStep = portStep
    }

    /// In words, in lines of at most 100 columns.
    var text: String {
        let name = "address translation: \(type)"
        guard type != "none", type != "UDP blocked" else { return name }
        return name + "\n  mapping \(mapping)\n  filtering \(filtering)" + more
    }

    private var more: String {
        if keepsPort { return "\n  keeps ports" }
        return portStep.map { "\n  each port \($0) from the one before" } ?? ""
    }
}
