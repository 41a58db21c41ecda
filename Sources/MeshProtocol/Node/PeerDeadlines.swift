internal import MeshBase

/// When each peer has something to do. Asking a peer costs far more than looking a number up, so that it is asked only when
/// something happened to it since: what a batch of frames costs does not grow with the number of peers.
struct PeerDeadlines: Sendable {
    /// By peer, in nanoseconds; the largest number for never.
    private var due: [UInt64]
    private var isStale: [Bool]
    private var stale: [PeerIndex]

    /// Knows nothing yet of so many peers.
    init(peerCount: Int) {
        due = [UInt64](repeating: .max, count: peerCount)
        isStale = [Bool](repeating: true, count: peerCount)
        stale = Array(0..<peerCount)
    }

    /// Something happened to a peer.
    mutating func touch(_ peer: PeerIndex) {
        guard !isStale[peer] else { return }
        isStale[peer] = true
        // Room for all is there since the beginning.
        stale.append(peer)
    }

    /// A peer that has to be asked, until there is none.
    var nextStale: PeerIndex? { stale.last }

    /// What the peer given by `nextStale` said.
    mutating func refresh(_ peer: PeerIndex, _ deadline: Instant?) {
        stale.removeLast()
        isStale[peer] = false
        due[peer] = deadline?.nanoseconds ?? .max
    }

    /// The earliest; `nil` when nothing is due ever.
    var first: Instant? {
        var least = UInt64.max
        for nanoseconds in due where nanoseconds < least { least = nanoseconds }
        return least == .max ? nil : Instant(nanoseconds: least)
    }

    /// Whether a peer has something to do by now.
    func isDue(_ peer: PeerIndex, at now: Instant) -> Bool { due[peer] != .max && due[peer] <= now.nanoseconds }
}
