/// An endpoint of JSON-RPC, and what was seen of it.
public struct EndpointStatus: Hashable, Sendable {
    /// Its URL.
    public let url: String
    /// Requests sent to it.
    public internal(set) var requests = 0
    /// Requests that it did not answer.
    public internal(set) var failures = 0
    /// Answers that were proven false.
    public internal(set) var lies = 0
    /// What was last wrong with it; `nil` when the last answer was good.
    public internal(set) var problem: String?

    /// Its host, for people: a URL may hold a key.
    public var name: String {
        let rest = url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard rest.count == 3 else { return url }
        let authority = rest[2].prefix { $0 != "/" && $0 != "?" }
        return String(authority.split(separator: "@").last ?? authority)
    }
}
