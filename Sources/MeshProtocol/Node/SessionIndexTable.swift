internal import MeshCrypto

/// Whose session an index belongs to. Indices are random and never used again while the process runs.
struct SessionIndexTable: Sendable {
    private var owners: [UInt32: PeerIndex] = [:]
    /// Grows by one entry of 4 bytes for each handshake with a configured peer: a few thousand a year, and never faster
    /// than one a second and peer, since handshakes are started and answered no faster.
    private var used: Set<UInt32> = []

    /// Indices that have an owner.
    var count: Int { owners.count }

    func owner(of index: UInt32) -> PeerIndex? { owners[index] }

    /// A fresh index for a session with `peer`.
    mutating func allocate(for peer: PeerIndex, entropy: inout EntropySource) -> UInt32 {
        while true {
            let index = UInt32(truncatingIfNeeded: entropy.next())
            guard index != 0, used.insert(index).inserted else { continue }
            owners[index] = peer
            return index
        }
    }

    mutating func release(_ index: UInt32) { owners.removeValue(forKey: index) }
}
