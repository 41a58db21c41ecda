import MeshBase

/// Finds out that the LAN behind the TAP is linked to the mesh by a second node, and decides which of the two blocks.
///
/// **What a loop does.** The other rules of the switch end most of it: both nodes hear each station of the LAN, and a
/// copy that comes by the mesh with the address of a local station is dropped. What the other node delivers from the
/// mesh is heard too, so that remote stations are taken for local ones and all their frames dropped: they are cut
/// off. And a storm it is where the table is full or the address damped. Only ending the loop helps against both.
///
/// **What is sent where.** With nodes A and B bridged to one LAN, a frame circles A - mesh - B - TAP of B - LAN - TAP
/// of A, and the other way round. A sends its probe into the mesh, one to each peer, never out of its own TAP. B
/// treats it as any multicast and writes it to its TAP; if B's LAN is A's LAN, it comes in by A's TAP, and the circle
/// is proven. The other way round (out of A's TAP, through B, back by the mesh) would depend on B's flood limit,
/// which is used up just then, would show A's token to the LAN of A, and could be sent back by any peer. This way the
/// token is seen only by the peer and by the LAN behind it; only who has a foot in that LAN *and* in A's can bring it
/// to A's TAP, and with that a loop exists. A frame from a peer never reaches the code that listens for returning
/// probes. The circle need not be of ShadowMesh alone: a cable or another tunnel between the LANs of A and B is found
/// as well.
///
/// **When probes are sent.** To each port when it is added and when the peer can be reached. To all ports in rounds, `intervalMilliseconds` apart and the
/// first one at once, while frames other than probes come in by the TAP or from peers, a loop is known or was lately,
/// or a TAP of the two is blocked. A loop does harm only when frames circle, and a frame that circles comes by, so an
/// idle pair of nodes need not be kept busy with probes.
///
///     idle --frame, loop proven, TAP blocked--> probing, a round every 2 s --a round with none of them--> idle
///
/// **What counts.** A probe that came in by the TAP with this process's number and a token that verifies (a keyed hash
/// over port, generation and time), sent at most `holdSeconds` ago through a port that was not removed since. Probes of
/// others that come in by the TAP are never sent on into the mesh and never block anything, since this node cannot
/// verify them; they are reported, as they show that some other node delivers to this LAN.
///
/// **Who blocks.** B finds the same at the same time; if both blocked, the LAN would lose the mesh. Each probe
/// carries the random number of its sender, so both know both numbers. Of each pair the lower number goes on, the
/// higher one blocks its TAP: as with spanning tree (IEEE 802.1D), the LAN keeps exactly one designated way into the
/// mesh. While the other number is unknown, both block. If the higher one has not said for `graceSeconds` that it
/// blocks (its probes may be filtered on their way), the lower one blocks as well: no link is better than a storm.
/// Blocking the mesh port between A and B alone would not do: a third node C would still get each frame of the LAN
/// twice, and what C sends would come back to it.
///
/// **What passes a blocked TAP.** Probes in both directions, so that the end of the loop is seen: when none has come
/// back for `holdSeconds`, the TAP opens. So it does when the forwarding node dies.
///
/// **What is unlearned.** While the loop was open, addresses were learned at wrong places. Both ends forget all when
/// they find it and when the one that blocks says so (a flag in its probes), and once more a round later, for frames
/// that were on their way; all others forget what they learned from the node that blocked.
///
/// Nodes on one LAN that are not peers of each other, only of common ones, cannot find each other this way; that is
/// what the report of foreign probes is for.
struct LoopGuard: Sendable {
    /// 2 s between rounds: a storm is held down by the flood limits meanwhile, and a probe of 60 bytes costs a link
    /// 240 bit/s.
    static let intervalMilliseconds: UInt64 = 2_000
    /// Five intervals: a LAN that loses four probes in a row does not open the loop again.
    static let holdSeconds: UInt64 = 10
    private static let holdNanoseconds = holdSeconds * 1_000_000_000
    /// Three intervals: the other one finds the loop within one, and says so in its next probes, of which two may be
    /// lost.
    static let graceSeconds: UInt64 = 6
    private static let graceNanoseconds = graceSeconds * 1_000_000_000
    /// Rounds go on for so long after the last probe that came back: until the loop counts as gone, and then in three
    /// more rounds, of which two may be lost, to say that the TAP is open.
    private static let watchNanoseconds = holdNanoseconds + graceNanoseconds
    /// Probes accepted from one peer in an interval: the regular one and those for up to three changes of state.
    private static let probesPerIntervalMax: UInt8 = 4

    /// What a probe that came in by the TAP means.
    enum LocalFinding: Equatable {
        /// It is this node's and proves a loop through the port. `isNew`: none was known.
        case returned(PortIndex, isNew: Bool)
        /// It is another node's. `isNew`: none was seen for `holdSeconds`.
        case foreign(peer: PortIndex?, isNew: Bool)
        /// It carries this node's number, and this node did not send it, or too long ago.
        case forged
    }

    /// A change of the TAP's state.
    enum BlockingChange: Equatable {
        case blocked(because: PortIndex)
        case opened
    }

    /// What a probe that came from a peer means.
    enum MeshFinding: Equatable {
        /// Nothing new.
        case known
        /// The peer blocked (`true`) or opened its TAP.
        case changed(isBlocked: Bool)
        /// It carries this node's number: peers never send probes on.
        case forged
        /// One of too many.
        case limited
    }

    private struct Neighbor: Sendable {
        let generation: UInt32
        /// The peer's number; `nil` until its first probe.
        var number: UInt64?
        var isBlocked = false
        /// When a probe sent to this peer last came back by the TAP.
        var returnedAt: Instant?
        /// When the first of an unbroken row of probes came back.
        var provenAt = Instant.zero
        var isProbeDue = true
        var windowStart = Instant.zero
        var windowCount: UInt8 = 0
    }

    /// This process's number, drawn from the seed.
    let number: UInt64
    /// Whether the TAP is blocked.
    private(set) var isBlocked = false
    private let hash: KeyedHash
    private var neighbors: [Neighbor?] = []
    private var generation: UInt32 = 0
    private var hasProbeDue = false
    private var roundAt = Instant.zero
    /// Whether a frame that is no probe came since the last round.
    private var hasFrames = false
    /// Until when rounds go on without frames.
    private var watchedUntil = Instant.zero
    private var startedAt: Instant?
    private var foreignSeenAt: Instant?
    /// Until when a loop through a port that was removed meanwhile counts.
    private var heldUntil = Instant.zero

    /// Draws number and key from `expander`.
    init(from expander: inout SeedExpander) {
        number = expander.next()
        hash = KeyedHash(from: &expander)
    }

    /// When `sendProbes` must be called; `nil` with nothing to probe for.
    var deadline: Instant? {
        if hasProbeDue { return .zero }
        return isRoundNeeded ? roundAt : nil
    }

    private var isRoundNeeded: Bool {
        if isBlocked { return true }
        guard neighbors.contains(where: { $0 != nil }) else { return false }
        return hasFrames || roundAt <= watchedUntil || neighbors.contains { $0?.isBlocked == true }
    }

    /// Takes note that a frame that is no probe came in by the TAP or from a peer.
    mutating func noteFrame() { hasFrames = true }

    /// Starts to probe through `port`, at once.
    mutating func add(_ port: PortIndex) {
        while neighbors.count <= port.value { neighbors.append(nil) }
        generation &+= 1
        neighbors[port.value] = Neighbor(generation: generation)
        hasProbeDue = true
    }

    /// Probes through `port`, which must have been added, at once.
    mutating func probe(_ port: PortIndex) {
        neighbors[port.value]?.isProbeDue = true
        hasProbeDue = true
    }

    /// Ends probing through `port`. A loop found through it holds for its time, as a session may be back at once.
    mutating func remove(_ port: PortIndex) {
        guard let neighbor = neighbors[port.value] else { return }
        if isBlocked, let returnedAt = neighbor.returnedAt, isLosing(against: neighbor, at: returnedAt) {
            heldUntil = max(heldUntil, returnedAt.advanced(nanoseconds: Self.holdNanoseconds))
        }
        neighbors[port.value] = nil
    }

    /// Evaluates a probe that came in by the TAP; then call `updateBlocking`.
    mutating func receivedFromLocal(_ probe: LoopProbe, at now: Instant) -> LocalFinding {
        guard probe.sender == number else {
            let isNew = foreignSeenAt.map { now.nanoseconds(since: $0) >= Self.holdNanoseconds } ?? true
            foreignSeenAt = now
            let index = neighbors.firstIndex { $0?.number == probe.sender }
            return .foreign(peer: index.map { PortIndex(value: $0) }, isNew: isNew && !isLoopKnown(at: now))
        }
        let index = Int(probe.port)
        guard index < neighbors.count, let neighbor = neighbors[index], neighbor.generation == probe.generation,
            let startedAt, probe.token == token(of: probe),
            now.nanoseconds(since: startedAt.advanced(milliseconds: probe.sentMilliseconds)) <= Self.holdNanoseconds
        else { return .forged }
        let isNew = !isFresh(neighbor, at: now)
        neighbors[index]?.returnedAt = now
        if isNew { neighbors[index]?.provenAt = now }
        watchedUntil = now.advanced(nanoseconds: Self.watchNanoseconds)
        return .returned(PortIndex(value: index), isNew: isNew)
    }

    /// Evaluates a probe from the peer at `port`, which must have been added; then call `updateBlocking`.
    mutating func receivedFromPeer(_ probe: LoopProbe, on port: PortIndex, at now: Instant) -> MeshFinding {
        guard probe.sender != number else { return .forged }
        guard var neighbor = neighbors[port.value] else { return .limited }
        if now.milliseconds(since: neighbor.windowStart) >= Self.intervalMilliseconds {
            neighbor.windowStart = now
            neighbor.windowCount = 0
        }
        guard neighbor.windowCount < Self.probesPerIntervalMax else { return .limited }
        neighbor.windowCount += 1
        let isChanged = neighbor.isBlocked != probe.isSenderBlocked
        neighbor.number = probe.sender
        neighbor.isBlocked = probe.isSenderBlocked
        neighbors[port.value] = neighbor
        return isChanged ? .changed(isBlocked: probe.isSenderBlocked) : .known
    }

    /// Whether a probe through `port` came back lately.
    func isLoopProven(through port: PortIndex, at now: Instant) -> Bool {
        neighbors[port.value].map { isFresh($0, at: now) } ?? false
    }

    /// Whether this node goes on forwarding despite the peer at `port`.
    func hasPrecedence(over port: PortIndex, at now: Instant) -> Bool {
        neighbors[port.value].map { !isLosing(against: $0, at: now) } ?? true
    }

    /// Decides anew whether the TAP is blocked. A change is told to all peers at once.
    ///
    /// - Returns: the change; `nil` when there is none.
    mutating func updateBlocking(at now: Instant) -> BlockingChange? {
        let index = neighbors.firstIndex { $0.map { isFresh($0, at: now) && isLosing(against: $0, at: now) } ?? false }
        guard (index != nil || now < heldUntil) != isBlocked else { return nil }
        isBlocked.toggle()
        for index in neighbors.indices { neighbors[index]?.isProbeDue = true }
        hasProbeDue = true
        return index.map { .blocked(because: PortIndex(value: $0)) } ?? .opened
    }

    /// Hands `send` the probes that are due, with their ports.
    ///
    /// - Returns: `true` when a regular round began.
    mutating func sendProbes(at now: Instant, _ send: ([UInt8], PortIndex) -> Void) -> Bool {
        let startedAt = self.startedAt ?? now
        self.startedAt = startedAt
        let isRound = now >= roundAt && isRoundNeeded
        if isRound { hasFrames = false }
        if isRound || hasProbeDue && now >= roundAt {
            roundAt = now.advanced(milliseconds: Self.intervalMilliseconds)
        }
        hasProbeDue = false
        for index in neighbors.indices {
            guard let neighbor = neighbors[index], isRound || neighbor.isProbeDue else { continue }
            neighbors[index]?.isProbeDue = false
            var probe = LoopProbe(
                sender: number, isSenderBlocked: isBlocked, port: UInt32(index), generation: neighbor.generation,
                sentMilliseconds: now.milliseconds(since: startedAt), token: 0)
            probe.token = token(of: probe)
            send(probe.frame(), PortIndex(value: index))
        }
        return isRound
    }

    private func token(of probe: LoopProbe) -> UInt64 {
        hash.authenticator(UInt64(probe.port) << 32 | UInt64(probe.generation), probe.sentMilliseconds)
    }

    private func isFresh(_ neighbor: Neighbor, at now: Instant) -> Bool {
        neighbor.returnedAt.map { now.nanoseconds(since: $0) < Self.holdNanoseconds } ?? false
    }

    /// Whether this node is the one to block, given that there is a loop through `neighbor`.
    private func isLosing(against neighbor: Neighbor, at now: Instant) -> Bool {
        guard let other = neighbor.number, other > number else { return true }
        return !neighbor.isBlocked && now.nanoseconds(since: neighbor.provenAt) > Self.graceNanoseconds
    }

    private func isLoopKnown(at now: Instant) -> Bool {
        neighbors.contains { $0.map { isFresh($0, at: now) } ?? false }
    }
}
