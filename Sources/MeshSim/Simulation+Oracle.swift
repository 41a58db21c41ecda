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
        /// An address was taken for proven though its owner never answered what went there.
        case provenWithoutAnswer(Endpoint)
        /// A frame went to an address of which its sender has no proof that its receiver is there.
        case sentOnUnprovenPath(Endpoint)
        /// A frame went by a connection whose other end has not answered.
        case sentOnUnprovenConnection(UInt64)
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
        var bytes: [UInt8]
        /// How often its sender sent it.
        var sentCount = 0
        /// When it did last.
        var lastSentAt = Instant.zero
        /// Whether a copy reached the receiver as it was sent.
        var hasArrived = false
        /// Whether the last copy went where nobody forwards it, though nothing was broken there.
        var isMisled = false
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
    /// Longer than any scenario waits between two frames.
    private static let silenceMilliseconds: UInt64 = 200
    /// As long as nodes keep frames that have no other path (`KeptFrames`).
    private static let keptMilliseconds: UInt64 = 2_000

    /// Whether a record carries a frame or a slice of one.
    func isFrame(_ record: [UInt8]) -> Bool { RecordName(record).map { sealedRecords[$0] != nil } ?? false }

    mutating func noteSealed(_ record: [UInt8], _ number: UInt64) {
        if let name = RecordName(record) {
            sealedRecords[name] = SealedRecord(frame: number, bytes: record)
        }
    }

    mutating func noteArrived(_ record: [UInt8]) {
        guard let name = RecordName(record), let sealed = sealedRecords[name], !sealed.hasArrived,
            sealed.bytes == record
        else { return }
        sealedRecords[name]?.hasArrived = true
    }

    mutating func noteSent(_ record: [UInt8]) {
        guard let name = RecordName(record) else { return }
        sealedRecords[name]?.sentCount += 1
        sealedRecords[name]?.lastSentAt = now
        sealedRecords[name]?.isMisled = false
    }

    /// A record reached the end of what carries it, `milliseconds` after it was sent, and nobody takes it there. That is the
    /// network's doing only just after it broke a connection. A copy of what goes by a path in doubt may meet a channel that
    /// the peer, who has no doubt yet, is closing: then another one must have followed.
    mutating func noteMisled(_ record: [UInt8], byRelay relay: Int? = nil, after milliseconds: UInt64 = 0) {
        let broken = [relay.flatMap { relays[$0].brokenAt }, connections?.brokenAt].compactMap(\.self)
        guard !broken.contains(where: { now.milliseconds(since: $0) < Self.breakKnownMilliseconds }),
            let name = RecordName(record), let lastSentAt = sealedRecords[name]?.lastSentAt
        else { return }
        if lastSentAt.advanced(milliseconds: milliseconds) <= now { sealedRecords[name]?.isMisled = true }
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

    /// A frame goes to an address: its receiver must have answered from there.
    mutating func noteFrame(_ record: [UInt8], to endpoint: Endpoint, from host: Int) {
        guard let name = RecordName(record), let number = sealedRecords[name]?.frame, let frame = sentFrames[number]
        else { return }
        guard direct?.roundTrips[.init(host: host, endpoint: endpoint)] == frame.to else {
            return violations.append(.sentOnUnprovenPath(endpoint))
        }
    }

    /// A node said something of its paths.
    mutating func noteEvent(_ event: NodeEvent, of index: Int) {
        // Peers are listed in the order of the hosts.
        func host(_ peer: PeerIndex) -> Int { peer < index ? peer : peer + 1 }
        switch event {
        case .pathValidated(let peer, let endpoint, _):
            if direct?.roundTrips[.init(host: index, endpoint: endpoint)] != host(peer) {
                violations.append(.provenWithoutAnswer(endpoint))
            }
        case .connectionProven(_, let number, _): connections?.proven.insert(.init(host: index, number: number))
        case .pathSuspect(let peer, _, _): suspicions.append((DirectNetwork.Link(index, host(peer)), now))
        default: break
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
            return direct.attachments[to].leads(endpoint, at: now) && !direct.cut.contains(link)
        }
    }

    /// Frames that were overtaken though no path was suspect.
    public var overtaken: Violation? {
        overtakenFrames.first.map { .overtaken($0, count: overtakenFrames.count) }
    }

    /// The first frame that is missing.
    var anyLoss: Violation? {
        let lost = sentFrames.keys.filter { !deliveredFrames.contains($0) }
        return lost.min().map { .lost($0, count: lost.count) }
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
            if record.isMisled { misled.append(record.frame) }
            // Where frames overtake polls, the counts that tell what is missing are wrong.
            if keepsOrder, record.sentCount < 2, let frame = lost[record.frame], frame.isSuspect,
                !hadNowhereToGo(frame)
            {
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

    /// The longest time for which one host sent to another and nothing arrived, between `start` and `end`, in milliseconds.
    /// It begins anew with what is sent after a silence: that may be the first that can arrive.
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
                var began = sent[place].1
                var last = began
                for (_, at) in sent[place...].prefix(while: { $0.1 < delivery.at }) {
                    if at.milliseconds(since: last) > Self.silenceMilliseconds { began = at }
                    last = at
                }
                longest = max(longest, delivery.at.milliseconds(since: max(previous, began)))
            }
            previous = delivery.at
        }
        return longest
    }
}
