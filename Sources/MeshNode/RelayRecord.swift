internal import MeshBase

/// What the daemon remembers of a relay for people.
struct RelayRecord {
    let url: RelayURL
    let id: PeerID
    var state = "connecting"
    var since: Instant
    var lastError: String?
    /// The number of peers that was warned of as too few.
    var warnedPeersMax: Int?

    init(url: RelayURL, id: PeerID, since: Instant) {
        self.url = url
        self.id = id
        self.since = since
    }

    mutating func enter(_ state: String, at now: Instant) {
        guard self.state != state else { return }
        self.state = state
        since = now
    }
}
