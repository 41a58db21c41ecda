package import MeshBase

/// The switch's memory of which address lives where: open addressing with linear probing, at most half full.
///
/// Memory is taken when a port is added, never per frame. Each port and the local side have a limit of their own, so
/// that one peer cannot crowd out another. An address of the local side is never taken over by the mesh while it is
/// fresh.
package struct AddressTable: Sendable {
    /// What became of an address that was seen.
    package enum Outcome: Equatable, Sendable {
        /// Known at this place already.
        case known
        /// New, or forgotten meanwhile.
        case learned
        /// Was at another place, and is at this one now.
        case moved(from: Place)
        /// Has just moved once too often; it stays at `at` for a while.
        case dampingStarted(at: Place)
        /// Moved too often a while ago; it stays where it is.
        case damped
        /// The place has as many addresses as it may have.
        case limitReached
        /// Lives on the local side, and a peer claims it.
        case ownedLocally
    }

    /// Moves within `moveWindowNanoseconds` that are still taken for roaming. A client that changes cells moves once in
    /// seconds, a virtual router that fails over and back twice; a loop or a duplicate moves with every frame.
    package static let movesMax = 5
    /// 10 s: long enough that two hosts with one address, each sending once a second, are noticed.
    static let moveWindowNanoseconds: UInt64 = 10_000_000_000
    /// 60 s: the flapping costs others nothing, and a repaired network is used again within a minute.
    static let dampingNanoseconds: UInt64 = 60_000_000_000
    /// Addresses of the local side: four times a LAN of 1,000 hosts.
    package static let localAddressesMax = 4_096

    private struct Entry {
        static let occupied: UInt64 = 1 << 63
        static let empty = Entry(key: 0, seenAt: .zero, place: .local)

        /// The address with `occupied` set; 0 when the slot is empty.
        var key: UInt64
        var seenAt: Instant
        /// Start of the window in which `moveCount` counts, or the end of the damping.
        var moveInstant = Instant.zero
        var place: Place
        var moveCount: UInt8 = 0
        var isDamped = false

        init(key: UInt64, seenAt: Instant, place: Place) {
            self.key = key
            self.seenAt = seenAt
            self.place = place
        }
    }

    private let hash: KeyedHash
    private let ageNanoseconds: UInt64
    private let addressesPerPortMax: Int
    /// The address of the TAP itself, with `occupied` set: local for ever. 0 when unknown.
    private let fixedLocalKey: UInt64
    private var entries: [Entry]
    private var mask: UInt64
    private var countByPort: [Int] = []
    private var localCount = 0

    /// Makes an empty table for the local side alone.
    package init(hash: KeyedHash, ageSeconds: UInt64, addressesPerPortMax: Int, localAddress: EthernetAddress?) {
        self.hash = hash
        let (age, overflowed) = ageSeconds.multipliedReportingOverflow(by: 1_000_000_000)
        ageNanoseconds = overflowed ? .max : age
        self.addressesPerPortMax = addressesPerPortMax
        fixedLocalKey = localAddress.map { Entry.occupied | $0.value } ?? 0
        entries = [Entry](repeating: .empty, count: Self.slotCount(portCount: 0, addressesPerPortMax))
        mask = UInt64(entries.count - 1)
    }

    /// Entries held, those included that have aged and are not yet swept.
    package var count: Int { countByPort.reduce(localCount, +) }
    /// Whether no entry is held.
    var isEmpty: Bool { localCount == 0 && countByPort.allSatisfy { $0 == 0 } }

    /// Entries held for `place`, those included that have aged and are not yet swept.
    package func count(at place: Place) -> Int {
        guard let port = place.port else { return localCount }
        return port.value < countByPort.count ? countByPort[port.value] : 0
    }

    /// Makes room for ports 0 up to, not including, `portCount`.
    package mutating func reserve(portCount: Int) {
        guard portCount > countByPort.count else { return }
        countByPort.append(contentsOf: repeatElement(0, count: portCount - countByPort.count))
        let slotCount = Self.slotCount(portCount: portCount, addressesPerPortMax)
        guard slotCount > entries.count else { return }
        let old = entries
        entries = [Entry](repeating: .empty, count: slotCount)
        mask = UInt64(slotCount - 1)
        for entry in old where entry.key != 0 { entries[index(of: entry.key).index] = entry }
    }

    /// Where `address` lives; `nil` when unknown or aged.
    package func locate(_ address: EthernetAddress, at now: Instant) -> Place? {
        let key = Entry.occupied | address.value
        if key == fixedLocalKey { return .local }
        let (index, isFound) = index(of: key)
        guard isFound, !hasAged(entries[index], at: now) else { return nil }
        return entries[index].place
    }

    /// Notes that a frame from `address` came from `place`.
    package mutating func learn(_ address: EthernetAddress, from place: Place, at now: Instant) -> Outcome {
        let key = Entry.occupied | address.value
        if key == fixedLocalKey { return place == .local ? .known : .ownedLocally }
        let (index, isFound) = index(of: key)
        if isFound, !hasAged(entries[index], at: now) {
            guard entries[index].place != place else {
                entries[index].seenAt = now
                return .known
            }
            return entries[index].place == .local ? .ownedLocally : move(index, to: place, at: now)
        }
        if isFound, entries[index].place == place {
            entries[index] = Entry(key: key, seenAt: now, place: place)
            return .learned
        }
        guard hasRoom(at: place) else { return .limitReached }
        if isFound { addCount(-1, at: entries[index].place) }
        addCount(1, at: place)
        entries[index] = Entry(key: key, seenAt: now, place: place)
        return .learned
    }

    /// Forgets everything.
    package mutating func removeAll() { removeAll { _ in true } }

    /// Forgets all addresses at `place`.
    package mutating func removeAll(at place: Place) { removeAll { $0.place == place } }

    /// Forgets the addresses that were not seen for the whole age.
    package mutating func removeAged(at now: Instant) {
        let age = ageNanoseconds
        removeAll { now.nanoseconds(since: $0.seenAt) >= age }
    }

    /// Calls `body` with each fresh address, its place, and the seconds since it was seen.
    func forEach(at now: Instant, _ body: (EthernetAddress, Place, UInt64) -> Void) {
        for entry in entries where entry.key != 0 && !hasAged(entry, at: now) {
            body(EthernetAddress(value: entry.key), entry.place, now.nanoseconds(since: entry.seenAt) / 1_000_000_000)
        }
    }
}

extension AddressTable {
    private mutating func move(_ index: Int, to place: Place, at now: Instant) -> Outcome {
        if entries[index].isDamped {
            guard now >= entries[index].moveInstant else { return .damped }
            entries[index].isDamped = false
            entries[index].moveCount = 0
        }
        if entries[index].moveCount == 0
            || now.nanoseconds(since: entries[index].moveInstant) > Self.moveWindowNanoseconds
        {
            entries[index].moveInstant = now
            entries[index].moveCount = 0
        }
        guard Int(entries[index].moveCount) < Self.movesMax else {
            entries[index].isDamped = true
            entries[index].moveInstant = now.advanced(nanoseconds: Self.dampingNanoseconds)
            return .dampingStarted(at: entries[index].place)
        }
        guard hasRoom(at: place) else { return .limitReached }
        let previous = entries[index].place
        addCount(-1, at: previous)
        addCount(1, at: place)
        entries[index].moveCount += 1
        entries[index].place = place
        entries[index].seenAt = now
        return .moved(from: previous)
    }

    /// The slot of `key`, or the empty slot where it would go. Ends, as at least half of the slots are empty.
    private func index(of key: UInt64) -> (index: Int, isFound: Bool) {
        var slot = hash.slot(key) & mask
        while true {
            let stored = entries[Int(slot)].key
            if stored == key { return (Int(slot), true) }
            if stored == 0 { return (Int(slot), false) }
            slot = (slot &+ 1) & mask
        }
    }

    private func hasAged(_ entry: Entry, at now: Instant) -> Bool {
        now.nanoseconds(since: entry.seenAt) >= ageNanoseconds
    }

    private func hasRoom(at place: Place) -> Bool {
        guard let port = place.port else { return localCount < Self.localAddressesMax }
        return port.value < countByPort.count && countByPort[port.value] < addressesPerPortMax
    }

    private mutating func addCount(_ delta: Int, at place: Place) {
        if let port = place.port { countByPort[port.value] += delta } else { localCount += delta }
    }

    /// Removes by shifting back, so that no tombstones pile up. What a removal shifts into the hole comes from a
    /// later slot, or by wrapping around from an early one that was examined already: one pass sees every entry.
    private mutating func removeAll(where isRemoved: (Entry) -> Bool) {
        var index = 0
        while index < entries.count {
            if entries[index].key != 0, isRemoved(entries[index]) { remove(at: index) } else { index += 1 }
        }
    }

    private mutating func remove(at index: Int) {
        addCount(-1, at: entries[index].place)
        var hole = UInt64(index)
        var next = (hole &+ 1) & mask
        while entries[Int(next)].key != 0 {
            let home = hash.slot(entries[Int(next)].key) & mask
            if (next &- home) & mask >= (next &- hole) & mask {
                entries[Int(hole)] = entries[Int(next)]
                hole = next
            }
            next = (next &+ 1) & mask
        }
        entries[Int(hole)] = .empty
    }

    /// The power of two that leaves half of the slots empty when every limit is reached.
    private static func slotCount(portCount: Int, _ addressesPerPortMax: Int) -> Int {
        let entriesMax = localAddressesMax + portCount * addressesPerPortMax
        var slotCount = 1
        while slotCount < entriesMax * 2 { slotCount *= 2 }
        return slotCount
    }
}
