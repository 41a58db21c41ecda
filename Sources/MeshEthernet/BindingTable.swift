import MeshBase

/// What ARP and neighbour discovery said about which hardware address an IP address has.
///
/// A binding is used for `freshNanoseconds` after its owner last spoke, then the question goes to the mesh again: so a host that
/// changed its hardware address is shadowed for a minute at most, and at once is not answered for when anything contradicts.
struct BindingTable: Sendable {
    /// Whose address it is: IP address and VLANs.
    struct Key: Hashable, Sendable {
        let address: NetworkAddress
        let vlan: UInt32
    }

    struct Binding: Sendable {
        var hardwareAddress: EthernetAddress
        var place: Place
        var learnedAt: Instant
        /// Whether its owner says that it is a router (RFC 4861 section 4.4); always `false` for ARP.
        var isRouter: Bool
        /// Two owners claimed it; answered by nobody here until then.
        var contestedUntil = Instant.zero
    }

    /// 60 s: neighbour caches of hosts keep an unconfirmed entry for 15 to 45 s (RFC 4861 section 10), so a shorter time
    /// would answer hardly anything, and a longer one would shadow a moved host for longer.
    static let freshNanoseconds: UInt64 = 60_000_000_000
    /// For each port and the local side: 256 hosts with one address of version 4 and three of version 6.
    static let bindingsPerPlaceMax = 1_024
    /// In all: 1.5 MB, and all of 16 full places.
    static let bindingsMax = 16_384

    private var bindings: [Key: Binding] = [:]
    private var countByPlace: [Place: Int] = [:]

    /// Bindings held, those included that are no longer fresh and not yet swept.
    var count: Int { bindings.count }

    /// The binding to answer with; `nil` when unknown, no longer fresh, contested or local.
    func answer(for key: Key, at now: Instant) -> Binding? {
        guard let binding = bindings[key], isFresh(binding, at: now), now >= binding.contestedUntil,
            binding.place != .local
        else { return nil }
        return binding
    }

    /// Notes that `hardwareAddress` at `place` spoke as the owner of `key`.
    ///
    /// - Parameter isRouter: `nil` when the message does not say. Then a mesh binding is refreshed or contradicted but not made:
    ///   answering with a wrong router flag would remove a default router from a host (RFC 4861 section 7.2.5).
    mutating func claim(
        _ key: Key, by hardwareAddress: EthernetAddress, at place: Place, isRouter: Bool?, now: Instant
    ) {
        guard let current = bindings[key], isFresh(current, at: now) || now < current.contestedUntil else {
            remove(key)
            insert(key, hardwareAddress, place, isRouter, now)
            return
        }
        if current.hardwareAddress == hardwareAddress, now >= current.contestedUntil {
            guard current.place != place else {
                bindings[key]?.learnedAt = now
                if let isRouter { bindings[key]?.isRouter = isRouter }
                return
            }
            remove(key)
            insert(key, hardwareAddress, place, isRouter ?? current.isRouter, now)
        } else if place == .local {
            remove(key)
            insert(key, hardwareAddress, place, isRouter, now)
        } else if current.place != .local, now >= current.contestedUntil {
            bindings[key]?.contestedUntil = now.advanced(nanoseconds: Self.freshNanoseconds)
        }
    }

    /// Forgets `key`: somebody is about to take the address.
    mutating func remove(_ key: Key) {
        guard let removed = bindings.removeValue(forKey: key) else { return }
        addCount(-1, at: removed.place)
    }

    /// Forgets everything.
    mutating func removeAll() {
        bindings.removeAll(keepingCapacity: true)
        countByPlace.removeAll(keepingCapacity: true)
    }

    /// Forgets all bindings of `place`.
    mutating func removeAll(at place: Place) {
        guard countByPlace[place] != nil else { return }
        bindings = bindings.filter { $0.value.place != place }
        countByPlace[place] = nil
    }

    /// Forgets what is neither fresh nor contested.
    mutating func removeAged(at now: Instant) {
        let aged = bindings.filter { !isFresh($0.value, at: now) && now >= $0.value.contestedUntil }
        for key in aged.keys { remove(key) }
    }

    private func isFresh(_ binding: Binding, at now: Instant) -> Bool {
        now.nanoseconds(since: binding.learnedAt) < Self.freshNanoseconds
    }

    private mutating func insert(
        _ key: Key, _ hardwareAddress: EthernetAddress, _ place: Place, _ isRouter: Bool?, _ now: Instant
    ) {
        guard isRouter != nil || place == .local else { return }
        guard bindings.count < Self.bindingsMax, countByPlace[place, default: 0] < Self.bindingsPerPlaceMax else {
            return
        }
        addCount(1, at: place)
        bindings[key] = Binding(
            hardwareAddress: hardwareAddress, place: place, learnedAt: now, isRouter: isRouter ?? false)
    }

    private mutating func addCount(_ delta: Int, at place: Place) {
        let count = countByPlace[place, default: 0] + delta
        countByPlace[place] = count == 0 ? nil : count
    }
}
