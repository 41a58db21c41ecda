internal import MeshCrypto

/// Whose session an index belongs to. Indices are random and never used again while the process runs.
struct SessionIndexTable: Sendable {
    private var owners: [UInt32: PeerIndex] = [:]
    /// What was looked up last: records of one session come in runs.
    private var latest: (index: UInt32, owner: PeerIndex)?
    /// Grows by one entry per handshake that is tried, also in vain: for a peer that never answers, one a minute.
    private var used: Set<UInt32> = []
    /// 8 MB, and two years of one such peer. Then all but those in use are forgotten: an index that comes again could at
    /// worst be ended by a RESET that was recorded then.
    private static let usedMax = 1 << 20

    /// Indices that belong to a session or a handshake now.
    var liveCount: Int { owners.count }

    mutating func owner(of index: UInt32) -> PeerIndex? {
        if let latest, latest.index == index { return latest.owner }
        guard let owner = owners[index] else { return nil }
        latest = (index, owner)
        return owner
    }

    /// A fresh index for a session with `peer`.
    mutating func allocate(for peer: PeerIndex, entropy: inout EntropySource) -> UInt32 {
        if used.count >= Self.usedMax { used = Set(owners.keys) }
        while true {
            let index = UInt32(truncatingIfNeeded: entropy.next())
            guard index != 0, used.insert(index).inserted else { continue }
            owners[index] = peer
            return index
        }
    }

    mutating func release(_ index: UInt32) {
        owners.removeValue(forKey: index)
        if latest?.index == index { latest = nil }
    }
}
