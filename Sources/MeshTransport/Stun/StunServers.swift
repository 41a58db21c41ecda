public import MeshBase

/// The STUN services that are asked, and the relays for whose sake.
///
/// A relay that is reached at another address than before has other services, and one that does not come back has none:
/// what serves no relay any more is to be forgotten, or a list that relays come to and go from would fill up with them.
public struct StunServers: Sendable {
    private var relays: [Endpoint: Set<Int>] = [:]

    /// Makes an empty list.
    public init() {}

    /// The services.
    public var all: Set<Endpoint> { Set(relays.keys) }

    /// Whether `server` is asked.
    public func contains(_ server: Endpoint) -> Bool { relays[server] != nil }

    /// Takes `server` as the service of a relay for its address family. Returns those that serve no relay any more.
    public mutating func name(_ server: Endpoint, by relay: Int) -> [Endpoint] {
        let former = relays.filter {
            $0.value.contains(relay) && $0.key.address.isVersion6 == server.address.isVersion6
        }
        for endpoint in former.keys { relays[endpoint]?.remove(relay) }
        relays[server, default: []].insert(relay)
        return removeUnused()
    }

    /// Takes `server` as one more service of the relays that `other` serves.
    public mutating func add(_ server: Endpoint, besides other: Endpoint) {
        guard let owners = relays[other] else { return }
        relays[server, default: []].formUnion(owners)
    }

    /// A service does not answer: it goes on serving only those of its relays that are connected. Returns whether it serves
    /// none any more.
    public mutating func failed(_ server: Endpoint, connected: (Int) -> Bool) -> Bool {
        guard let owners = relays[server] else { return false }
        relays[server] = owners.filter(connected)
        return !removeUnused().isEmpty
    }

    private mutating func removeUnused() -> [Endpoint] {
        let unused = relays.filter(\.value.isEmpty).map(\.key)
        for endpoint in unused { relays[endpoint] = nil }
        return unused
    }
}
