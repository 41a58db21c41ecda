internal import MeshBase

/// Packets by the time at which something happens to them; those of one time in the order added (a binary heap).
struct Schedule: Sendable {
    struct Entry: Sendable {
        var due: Instant
        /// Place among entries of one time.
        var order: UInt64 = 0
        let slot: UInt32
        let byteCount: UInt32
        let source: UInt16
        let destination: UInt16
        /// Whether the destination's own line lies behind the packet.
        var hasPassedDownLeg: Bool
        /// Whether the packet arrives once more after this.
        var arrivesTwice: Bool

        func isBefore(_ other: Entry) -> Bool { (due, order) < (other.due, other.order) }
    }

    private var entries: [Entry] = []
    private var orderNext: UInt64 = 0

    var count: Int { entries.count }
    var deadline: Instant? { entries.first?.due }

    mutating func add(_ entry: Entry) {
        var entry = entry
        entry.order = orderNext
        orderNext += 1
        var index = entries.count
        entries.append(entry)
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index].isBefore(entries[parent]) else { break }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    /// The first entry, when its time has come.
    mutating func removeFirst(at now: Instant) -> Entry? {
        guard let first = entries.first, first.due <= now else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            sink()
        }
        return first
    }

    private mutating func sink() {
        var index = 0
        while true {
            var least = index
            for child in (2 * index + 1)...(2 * index + 2) where child < entries.count {
                if entries[child].isBefore(entries[least]) { least = child }
            }
            guard least != index else { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
