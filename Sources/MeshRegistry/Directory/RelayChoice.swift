public import MeshBase

/// Which relays a node connects to, of those that are registered.
public enum RelayChoice {
    /// How many relays a node is connected to at the same time: its three homes, and the best of some peers. Those with
    /// more peers than that find them as they come: one side at a home of the other is enough.
    public static let placesMax = 16
    /// The most relays that are tried one after the other.
    public static let relaysMax = 48

    /// The node's own homes first, then the homes of each peer in turn, then by rank what takes their places when they
    /// cannot be reached: the own list and the eight best of each peer.
    public static func relays(of directory: RelayDirectory, node: PeerID, peers: [PeerID]) -> [RelayEntry] {
        let own = directory.ranking(for: node)
        let others = peers.filter { $0 != node }.map {
            Array(directory.ranking(for: $0).prefix(RelayDirectory.dialsMax))
        }
        var chosen: [RelayEntry] = []
        var seen: Set<RelayEntry> = []
        func add(_ ranking: [RelayEntry], _ rank: Int) {
            guard ranking.indices.contains(rank), chosen.count < relaysMax else { return }
            if seen.insert(ranking[rank]).inserted { chosen.append(ranking[rank]) }
        }
        for rank in 0..<RelayDirectory.homesMax { add(own, rank) }
        for rank in 0..<RelayDirectory.homesMax { for other in others { add(other, rank) } }
        for rank in RelayDirectory.homesMax..<RelayDirectory.dialsMax {
            add(own, rank)
            for other in others { add(other, rank) }
        }
        return chosen
    }
}
