public import MeshBase

/// A wide-area network in numbers: which packet arrives where and when. Reads no clock and holds no bytes.
///
///     site a ── up leg ──▶ (pair a, b: cut? delay of its own?) ──▶ down leg ── site b
///
/// A packet passes the up leg of its site and the down leg of the destination's; loss and rate of both apply, and both
/// delays add up unless the pair has a delay of its own. The packet's bytes stay with the caller, in numbered slots.
public struct WanNetwork: Sendable {
    /// Why a packet did not arrive.
    public enum Drop: String, CaseIterable, Sendable {
        /// Neither IPv4 nor IPv6.
        case malformed
        /// No site has the destination's address.
        case noRoute = "no_route"
        /// The pair is cut.
        case cut
        /// UDP between the pair is blocked.
        case blockedUDP = "blocked_udp"
        /// The emulator has no slot free.
        case noMemory = "no_memory"
        /// The destination's kernel did not take it.
        case notTaken = "not_taken"
        /// A leg lost it or its queue was full; counted at the leg.
        case leg
    }

    /// What becomes of a packet whose time has come.
    public enum Outcome: Hashable, Sendable {
        /// It arrives at the site of this index.
        case deliver(slot: UInt32, site: Int)
        /// It arrives at the site of this index, and will once more: the slot stays taken.
        case deliverCopy(slot: UInt32, site: Int)
        /// It is lost; the slot is free.
        case drop(slot: UInt32)
    }

    /// Sites at most: the pairs are a table of their square.
    public static let siteCountMax = 64

    struct Pair: Sendable {
        var isCut = false
        var blocksUDP = false
        /// One-way, instead of the legs' delays.
        var delayNanoseconds: UInt64?
        /// No packet of the pair may end a leg before the one ahead of it, unless the leg has jitter: a delay that
        /// is lowered does not reorder a flow.
        var upLegLastDue = Instant.zero
        var downLegLastDue = Instant.zero
    }

    struct Site: Sendable {
        let name: String
        var up = Leg()
        var down = Leg()
    }

    private struct Route: Sendable {
        let prefix: UInt128
        let mask: UInt128
        let isVersion6: Bool
        let prefixLength: UInt8
        let site: Int
    }

    /// What the random numbers follow from.
    public let seed: UInt64
    private(set) var sites: [Site] = []
    /// Row: source; column: destination.
    private var pairs: [Pair] = []
    private var routes: [Route] = []
    private var schedule = Schedule()
    private var random: SeededGenerator
    private var drops: [Drop: UInt64] = [:]

    /// Makes a network without sites.
    public init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
    }

    /// Packets on their way.
    public var packetCount: Int { schedule.count }
    /// When `next(at:)` is to be called; `nil`: nothing is on its way.
    public var deadline: Instant? { schedule.deadline }

    /// Adds a site that has the addresses of `prefixes`; its index, or `nil` when there are too many or it is there.
    @discardableResult
    public mutating func addSite(_ name: String, prefixes: [InterfaceAddress]) -> Int? {
        guard sites.count < Self.siteCountMax, index(of: name) == nil else { return nil }
        let index = sites.count
        let former = pairs
        sites.append(Site(name: name))
        pairs = Array(repeating: Pair(), count: sites.count * sites.count)
        for row in 0..<index {
            for column in 0..<index { pairs[row * sites.count + column] = former[row * index + column] }
        }
        for prefix in prefixes { addRoute(prefix, to: index) }
        return index
    }

    /// The index of a site by its name.
    public func index(of name: String) -> Int? { sites.firstIndex { $0.name == name } }

    /// Takes the packet in `slot`, which came from `site`; a reason when it goes no further and the slot is free.
    public mutating func submit(slot: UInt32, packet: RawSpan, from site: Int, at now: Instant) -> Drop? {
        guard let header = PacketHeader(packet) else { return dropped(.malformed) }
        guard let destination = route(header) else { return dropped(.noRoute) }
        let pair = pairIndex(site, destination)
        if pairs[pair].isCut { return dropped(.cut) }
        if header.isUDP, pairs[pair].blocksUDP { return dropped(.blockedUDP) }
        let byteCount = packet.byteCount
        guard let departure = sites[site].up.accept(byteCount: byteCount, at: now, random: &random) else { return .leg }
        var due = arrival(departure, sites[site].up, pairs[pair].delayNanoseconds)
        if sites[site].up.settings.jitterNanoseconds == 0 { due = max(due, pairs[pair].upLegLastDue) }
        pairs[pair].upLegLastDue = due
        let entry = Schedule.Entry(
            due: due, slot: slot, byteCount: UInt32(byteCount),
            source: UInt16(site), destination: UInt16(destination), hasPassedDownLeg: false,
            arrivesTwice: sites[site].up.duplicates(random: &random))
        schedule.add(entry)
        return nil
    }

    /// What becomes of the next packet whose time has come; `nil`: of none.
    public mutating func next(at now: Instant) -> Outcome? {
        while let entry = schedule.removeFirst(at: now) {
            let destination = Int(entry.destination)
            if entry.hasPassedDownLeg { return deliver(entry) }
            let departure = sites[destination].down.accept(
                byteCount: Int(entry.byteCount), at: entry.due, random: &random)
            guard let departure else { return .drop(slot: entry.slot) }
            let pair = pairIndex(Int(entry.source), destination)
            let isOverridden = pairs[pair].delayNanoseconds != nil
            var due = arrival(departure, sites[destination].down, isOverridden ? 0 : nil)
            if sites[destination].down.settings.jitterNanoseconds == 0 { due = max(due, pairs[pair].downLegLastDue) }
            pairs[pair].downLegLastDue = due
            var passed = entry
            passed.due = due
            passed.hasPassedDownLeg = true
            if sites[destination].down.duplicates(random: &random) { passed.arrivesTwice = true }
            schedule.add(passed)
        }
        return nil
    }

    private mutating func deliver(_ entry: Schedule.Entry) -> Outcome {
        let destination = Int(entry.destination)
        guard entry.arrivesTwice else { return .deliver(slot: entry.slot, site: destination) }
        var copy = entry
        copy.arrivesTwice = false
        copy.due = entry.due.advanced(nanoseconds: sites[destination].down.jitter(random: &random))
        schedule.add(copy)
        return .deliverCopy(slot: entry.slot, site: destination)
    }

    /// Counts a packet the caller had to drop.
    public mutating func count(_ drop: Drop) { drops[drop, default: 0] += 1 }

    /// Packets dropped for `drop`.
    public func dropCount(_ drop: Drop) -> UInt64 { drops[drop, default: 0] }

    mutating func change(site: Int, up: Bool, down: Bool, _ body: (inout Leg.Settings) -> Void) {
        if up { body(&sites[site].up.settings) }
        if down { body(&sites[site].down.settings) }
    }

    /// Changes both directions of the pair.
    mutating func change(pair first: Int, _ second: Int, _ body: (inout Pair) -> Void) {
        body(&pairs[pairIndex(first, second)])
        if first != second { body(&pairs[pairIndex(second, first)]) }
    }

    private func pairIndex(_ source: Int, _ destination: Int) -> Int { source * sites.count + destination }

    private mutating func dropped(_ drop: Drop) -> Drop {
        count(drop)
        return drop
    }

    /// When a packet that left a line is at its end.
    private mutating func arrival(_ departure: Instant, _ leg: Leg, _ override: UInt64?) -> Instant {
        let delay = override ?? leg.settings.delayNanoseconds
        let (sum, _) = delay.addingReportingOverflow(leg.jitter(random: &random))
        // Jitter is even around the delay: its middle is taken off, as far as there is delay to take it from.
        return departure.advanced(nanoseconds: sum - min(sum, leg.settings.jitterNanoseconds))
    }

    private mutating func addRoute(_ prefix: InterfaceAddress, to site: Int) {
        let isVersion6 = prefix.address.isVersion6
        let width = isVersion6 ? 128 : 32
        let all = isVersion6 ? UInt128.max : UInt128(UInt32.max)
        let mask = all & ~(prefix.prefixLength == 0 ? all : (1 << UInt128(width - Int(prefix.prefixLength))) - 1)
        let value = prefix.address.bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        routes.append(
            Route(
                prefix: value & mask, mask: mask, isVersion6: isVersion6, prefixLength: prefix.prefixLength, site: site)
        )
        // The longest prefix first, so that the first match is the one.
        routes.sort { $0.prefixLength > $1.prefixLength }
    }

    private func route(_ header: PacketHeader) -> Int? {
        routes.first { $0.isVersion6 == header.isVersion6 && header.destination & $0.mask == $0.prefix }?.site
    }
}
