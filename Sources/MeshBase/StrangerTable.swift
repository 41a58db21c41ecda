/// The connections of strangers, who have yet to show something, bounded in all and per source.
///
/// A source is an ``IPAddress/network``.
package struct StrangerTable: Sendable {
    /// Connections in all.
    package var countMax: Int
    /// Connections of one source.
    package var countPerSourceMax: Int
    private var sources: [UInt64: IPAddress] = [:]
    private var counts: [IPAddress: Int] = [:]

    /// Makes an empty table; both bounds are at least 1.
    package init(countMax: Int, countPerSourceMax: Int) {
        self.countMax = countMax
        self.countPerSourceMax = countPerSourceMax
    }

    /// How many connections are in the table.
    package var count: Int { sources.count }

    /// The connection that has been here longest. Complexity: O(``count``).
    package var oldest: UInt64? { sources.keys.min() }

    /// Whether the source of an address has as many connections as one may have.
    package func hasShare(_ address: IPAddress) -> Bool { counts[address.network, default: 0] >= countPerSourceMax }

    /// Enters a connection whose ID is larger than all before it. Complexity: O(``count``) when a bound is met.
    ///
    /// - Returns: the connection that is to be closed for it, since it had the most time: the source's oldest when the
    ///   source has its share, else the oldest of a full table.
    package mutating func admit(_ id: UInt64, from address: IPAddress) -> UInt64? {
        let source = address.network
        var evicted: UInt64?
        if hasShare(address) {
            evicted = sources.lazy.filter { $0.value == source }.map(\.key).min()
        } else if sources.count >= countMax {
            evicted = oldest
        }
        if let evicted { remove(evicted) }
        sources[id] = source
        counts[source, default: 0] += 1
        return evicted
    }

    /// Takes a connection out; does nothing when it is not there.
    package mutating func remove(_ id: UInt64) {
        guard let source = sources.removeValue(forKey: id), let count = counts[source] else { return }
        counts[source] = count > 1 ? count - 1 : nil
    }
}
