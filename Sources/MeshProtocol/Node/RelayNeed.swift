/// What one peer, or all of them, need of a node's relays.
enum RelayNeed: Int, Sendable, CaseIterable {
    /// Nothing goes by a relay, in either direction.
    case none
    /// The direct path is well, and the pair's channel still open.
    case used
    /// There is no direct path, or it is in doubt.
    case needed
}

/// How many peers need what of the relays: what one record changes costs the same however many peers there are.
struct RelayNeedCounts: Sendable {
    private var needs: [RelayNeed]
    private var counts: [Int]

    /// All peers need the relays.
    init(peerCount: Int) {
        needs = Array(repeating: .needed, count: peerCount)
        counts = RelayNeed.allCases.map { $0 == .needed ? peerCount : 0 }
    }

    /// What the peer that needs most needs; a node without peers waits at its relays for those to come.
    var greatest: RelayNeed { RelayNeed.allCases.last { counts[$0.rawValue] > 0 } ?? .needed }

    /// Notes what a peer needs now.
    mutating func note(_ need: RelayNeed, of peer: PeerIndex) {
        counts[needs[peer].rawValue] -= 1
        counts[need.rawValue] += 1
        needs[peer] = need
    }
}
