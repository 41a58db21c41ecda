package import MeshBase

/// A rate for each source of datagrams, in a table of fixed size, whatever sources are invented.
///
///     source --keyed hash--> a cell of each of two rows; passes if either has room, and takes from those that have
///
/// A source is an ``IPAddress/network``. Cells are shared by chance, with others that nobody can choose (the hash's key is
/// this process's own): who floods from one source takes a cell of each row from those few who share both. Who invents
/// sources has to fill all cells, with 160,000 datagrams a second at 20 for each, before others notice much.
///
/// A cell is the time at which it will be empty of what passed (the generic cell rate algorithm, ITU-T I.371 annex A).
package struct SourceRateLimiter {
    /// 128 KiB in all.
    package static let cellsPerRow = 8_192
    private static let rowCount = 2

    private let intervalNanoseconds: UInt64
    private let toleranceNanoseconds: UInt64
    private var emptyAt = [Instant](repeating: .zero, count: rowCount * cellsPerRow)

    /// Makes a limiter that lets `perSecond` datagrams of each source through, and `burst` at once; both are at least 1.
    package init(perSecond: Int, burst: Int) {
        intervalNanoseconds = 1_000_000_000 / UInt64(perSecond)
        toleranceNanoseconds = UInt64(burst - 1) * intervalNanoseconds
    }

    /// Whether one more datagram of this source may pass now.
    package mutating func admit(_ address: IPAddress, at now: Instant) -> Bool {
        // SipHash under a key that is drawn for each process.
        var hasher = Hasher()
        hasher.combine(address.network)
        let hash = UInt64(truncatingIfNeeded: hasher.finalize())
        var isAdmitted = false
        for row in 0..<Self.rowCount {
            let cell = row * Self.cellsPerRow + Int((hash >> (32 * UInt64(row))) % UInt64(Self.cellsPerRow))
            let start = max(emptyAt[cell], now)
            guard start.nanoseconds(since: now) <= toleranceNanoseconds else { continue }
            emptyAt[cell] = start.advanced(nanoseconds: intervalNanoseconds)
            isAdmitted = true
        }
        return isAdmitted
    }
}
