package import MeshBase

/// The connections that were accepted by TCP and are not yet WebSockets, bounded in all and per source.
///
/// A source is an IPv4 address or the /64 prefix of an IPv6 address, which one host can use all of (RFC 6177).
package struct HalfOpenTable {
    /// What to do with a new connection.
    package enum Verdict: Equatable, Sendable {
        /// Keep it.
        case admitted
        /// Keep it and close the oldest, whose ID this is: it had the most time.
        case admittedEvicting(UInt64)
        /// Refuse it: its source has its share.
        case refused
    }

    private let countMax: Int
    private let countPerSourceMax: Int
    private var sources: [UInt64: [UInt8]] = [:]
    private var counts: [[UInt8]: Int] = [:]

    package init(countMax: Int, countPerSourceMax: Int) {
        self.countMax = countMax
        self.countPerSourceMax = countPerSourceMax
    }

    /// How many connections are in the table.
    package var count: Int { sources.count }

    /// Enters a connection whose ID is larger than all before it. Complexity: O(`countMax`) when the table is full.
    package mutating func admit(_ id: UInt64, from address: IPAddress) -> Verdict {
        let source = Self.source(of: address)
        guard counts[source, default: 0] < countPerSourceMax else { return .refused }
        var verdict = Verdict.admitted
        if sources.count >= countMax, let oldest = sources.keys.min() {
            remove(oldest)
            verdict = .admittedEvicting(oldest)
        }
        sources[id] = source
        counts[source, default: 0] += 1
        return verdict
    }

    /// Takes a connection out; does nothing when it is not there.
    package mutating func remove(_ id: UInt64) {
        guard let source = sources.removeValue(forKey: id), let count = counts[source] else { return }
        counts[source] = count > 1 ? count - 1 : nil
    }

    private static func source(of address: IPAddress) -> [UInt8] {
        address.isVersion6 ? Array(address.bytes.prefix(8)) : address.bytes
    }
}
