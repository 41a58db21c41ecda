public import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

extension Simulation {
    /// What the oracle found wrong.
    public enum Violation: Error, Equatable, Sendable {
        case deliveredTwice(UInt64)
        case deliveredButNeverSent
        case deliveredToTheWrongNode(UInt64)
        /// A frame went to an address from which its receiver was never heard.
        case sentOnUnprovenPath(Endpoint)
        /// An address got more bytes than came from it, though nothing was proven of it.
        case sentMoreThanCame(Endpoint)
        /// A frame arrived at its receiver and was not delivered.
        case arrivedButNotDelivered(UInt64, count: Int)
        /// A frame was lost after peace was made.
        case lost(UInt64, count: Int)
        /// A frame was lost where a node sent it by a connection or channel that was not there.
        case sentWhereNobodyForwards(UInt64, count: Int)
        /// A frame was lost though its path was known to be suspect, and no copy of it was sent.
        case lostWhileSuspect(UInt64, count: Int)
        /// A frame was overtaken though no path was suspect.
        case overtaken(UInt64, count: Int)
        /// The nodes do not reach each other though they should by now.
        case notMeshed
        /// A direct path is possible and not used, or used one way only.
        case notDirect(Int, Int)
        /// No direct path is possible, and the relay is not used, or one way only.
        case notRelayed(Int, Int)
        /// The relay still forwards for a pair that is direct.
        case channelStaysOpen
        /// A node that should rest is still connected to a relay.
        case relayStaysConnected(Int)
        /// A change of path made a new handshake necessary.
        case newHandshake(count: Int)
        /// Nothing was delivered for too long.
        case outage(milliseconds: UInt64, limit: UInt64)
    }

    /// A frame that was sent.
    public struct SentFrame: Sendable {
        /// Who sent it.
        public var from: Int
        /// Who is to get it.
        public var to: Int
        /// When.
        public var at: Instant
        /// Its size.
        public var byteCount: Int
        /// Records that carry it: one, or its slices.
        public var recordCount: Int
        /// Whether its path was suspect by then.
        public var isSuspect: Bool
    }

    /// What became of a record that carries a frame or a slice of one.
    struct SealedRecord: Sendable {
        var frame: UInt64
        var hash: Int
        /// How often its sender sent it.
        var sentCount = 0
        /// Whether a copy reached the receiver as it was sent.
        var hasArrived = false
        /// When a copy went where nobody forwards it, though nothing was broken there, and by which relay.
        var misled: (at: Instant, relay: Int?)?
    }

    /// What tells the record of a frame from all others, in its header.
    struct RecordName: Hashable, Sendable {
        var receiverIndex: UInt32
        var counter: UInt64

        init?(_ record: [UInt8]) {
            guard let header = try? RecordHeader(parsing: record.span.rawBytes) else { return nil }
            receiverIndex = header.receiverIndex
            counter = header.counter
        }
    }

    // MARK: - Books

    /// All nodes have learned of a broken connection after this long.
    private static let breakKnownMilliseconds: UInt64 = 1_000
    /// As long as nodes keep frames that have no other path (`KeptFrames`).
    private static let keptMilliseconds: UInt64 = 2_000

    /// Whether a record carries a frame or a slice of one.
    func isFrame(_ record: [UInt8]) -> Bool { RecordName(record).map { sealedRecords[$0] != nil } ?? false }

    mutating func noteSealed(_ record: [UInt8], _ number: UInt64) {
        if let name = RecordName(record) {
            sealedRecords[name] = SealedRecord(frame: number, hash: record.hashValue)
        }
    }

    mutating func noteArrived(_ record: [UInt8]) {
        guard let name = RecordName(record), let sealed = sealedRecords[name], !sealed.hasArrived,
            sealed.hash == record.hashValue
        else { return }
        sealedRecords[name]?.hasArrived = true
    }

    mutating func noteSent(_ record: [UInt8]) {
        if let name = RecordName(record) { sealedRecords[name]?.sentCount += 1 }
    }

    /// A record reached the end of what carries it, and nobody takes it there. That is the network's doing only just after
    /// it broke a connection. Copies of what goes by a path in doubt may meet a channel that the peer, who has no doubt
    /// yet, is closing: nothing that they could ask each other before would be sooner than the copies.
    mutating func noteMisled(_ record: [UInt8], byRelay relay: Int? = nil) {
        let brokenAt = relay.map { relays[$0].brokenAt } ?? connections?.brokenAt
        if let brokenAt, now.milliseconds(since: brokenAt) < Self.breakKnownMilliseconds { return }
        if let name = RecordName(record) { sealedRecords[name]?.misled = (now, relay) }
    }

    /// Whether a record met a channel that was being closed while its sender doubted the path in use.
    private func metClosingChannel(_ record: SealedRecord) -> Bool {
        guard let (at, relay) = record.misled, let relay, let frame = sentFrames[record.frame] else { return false }
        let isNear = { (other: Instant) in
            max(other, at).milliseconds(since: min(other, at)) < Self.breakKnownMilliseconds
        }
        let link = DirectNetwork.Link(frame.from, frame.to)
        return relays[relay].closings.contains(where: isNear)
            && (frame.isSuspect || suspicions.contains { $0.link == link && isNear($0.at) })
    }

    /// Whether a frame was kept for another path, and there was none for as long as frames are kept.
    private func hadNowhereToGo(_ frame: SentFrame) -> Bool {
        !pathEvents.contains { event in
            guard event.node == frame.from, event.at >= frame.at,
                event.at.milliseconds(since: frame.at) < Self.keptMilliseconds
            else { return false }
            return switch event.event {
            // Peers are listed in the order of the hosts.
            case .carrierOpened(let peer, _), .pathChanged(let peer, _, _, _):
                (peer < event.node ? peer : peer + 1) == frame.to
            default: false
            }
        }
    }

    /// A frame goes to an address: its receiver must have been heard from there.
    mutating func noteFrame(to endpoint: Endpoint, from host: Int) {
        guard let hearer = direct?.heard[.init(host: host, endpoint: endpoint)], hearer != host else {
            return violations.append(.sentOnUnprovenPath(endpoint))
        }
    }

    mutating func judge(_ frame: [UInt8], from peer: PeerIndex, at index: Int) {
        let number = frame.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let sent = sentFrames[number], frame == Self.frame(number, byteCount: sent.byteCount) else {
            return violations.append(.deliveredButNeverSent)
        }
        guard sent.to == index, hosts[sent.from].identity.id == hosts[index].node.peerID(peer) else {
            return violations.append(.deliveredToTheWrongNode(number))
        }
        if !deliveredFrames.insert(number).inserted { violations.append(.deliveredTwice(number)) }
        deliveries.append(Delivery(number: number, from: sent.from, to: index, at: now))
        let link = DirectNetwork.Link(sent.from, index)
        guard let newest = newestDelivered[link], newest > number else { return newestDelivered[link] = number }
        reorderedCount += 1
        // Order is not promised while a path is suspect: for what is sent meanwhile, and for what was sent just before.
        let isExcused =
            sent.isSuspect || sentFrames[newest]?.isSuspect == true
            || suspicions.contains { $0.link == link && $0.at >= sent.at } || hasLatelyBroken
        if !isExcused { overtakenFrames.append(number) }
    }

    /// Whether a connection broke just now: what it carried is not waited for, and may still arrive.
    private var hasLatelyBroken: Bool {
        ([connections?.brokenAt] + relays.map(\.brokenAt)).contains { at in
            at.map { now.milliseconds(since: $0) < Self.breakKnownMilliseconds } ?? false
        }
    }

    // MARK: - Judgements

    /// What the nodes told people about their paths, one line each.
    public var story: [String] {
        pathEvents.map { "\(Double($0.at.nanoseconds / 1_000_000) / 1000) s, \($0.node): \($0.event)" }
    }

    /// Whether all records between the two go by UDP, both ways, to addresses that the receivers have.
    public func isReachedDirectly(_ one: Int, _ other: Int) -> Bool {
        [(one, other), (other, one)].allSatisfy { from, to in
            guard case .udp(let endpoint) = carrier(from: from, to: to), let direct else { return false }
            let link = DirectNetwork.Link(from, to, isVersion6: endpoint.address.isVersion6)
            return direct.attachments[to].owns(endpoint) && !direct.cut.contains(link)
        }
    }

    /// Frames that were overtaken though no path was suspect.
    public var overtaken: Violation? {
        overtakenFrames.first.map { .overtaken($0, count: overtakenFrames.count) }
    }

    /// The first frame that is missing though the network lost none of its records, or though its path was known to be
    /// suspect and it was sent once only. Slices of one frame that arrive far apart are not waited for: they are excused
    /// unless the network `keepsOrder`.
    public func unexcusedLoss(keepsOrder: Bool) -> Violation? {
        let lost = sentFrames.filter { !deliveredFrames.contains($0.key) }
        guard !lost.isEmpty else { return nil }
        var arrivedCounts: [UInt64: Int] = [:]
        var misled: [UInt64] = []
        var doubted: Set<UInt64> = []
        for record in sealedRecords.values where lost[record.frame] != nil {
            if record.hasArrived { arrivedCounts[record.frame, default: 0] += 1 }
            guard !record.hasArrived else { continue }
            if record.misled != nil, !metClosingChannel(record) { misled.append(record.frame) }
            if record.sentCount < 2, let frame = lost[record.frame], frame.isSuspect, !hadNowhereToGo(frame) {
                doubted.insert(record.frame)
            }
        }
        let whole = lost.filter {
            arrivedCounts[$0.key] == $0.value.recordCount && (keepsOrder || $0.value.recordCount == 1)
        }.keys
        if let first = whole.min() { return .arrivedButNotDelivered(first, count: whole.count) }
        if let first = misled.min() { return .sentWhereNobodyForwards(first, count: misled.count) }
        return doubted.min().map { .lostWhileSuspect($0, count: doubted.count) }
    }

    /// The longest time for which something was under way from one host to another and nothing arrived, between `start`
    /// and `end`, in milliseconds.
    public func outageMilliseconds(from: Int, to: Int, since start: Instant, until end: Instant) -> UInt64 {
        let sent = sentFrames.filter { $0.value.from == from && $0.value.to == to && $0.value.at >= start }
            .map { ($0.key, $0.value.at) }.sorted { $0.0 < $1.0 }
        var longest: UInt64 = 0
        var place = 0
        var previous = start
        for delivery in deliveries where delivery.from == from && delivery.to == to && delivery.at >= start {
            guard delivery.at <= end else { break }
            while place < sent.count, sent[place].1 < previous { place += 1 }
            if place < sent.count, sent[place].1 < delivery.at {
                longest = max(longest, delivery.at.milliseconds(since: max(previous, sent[place].1)))
            }
            previous = delivery.at
        }
        return longest
    }
}
