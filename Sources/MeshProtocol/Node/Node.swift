public import MeshBase
public import MeshCrypto
public import MeshWire

/// A whole node as a sans-IO machine: relay links, peers, handshakes and sessions.
///
/// Feed it events with the time; do all `actions` before the next event; call `handleTimeout` at `deadline`.
public struct Node: Sendable {
    /// What a node is made from.
    public struct Configuration: Sendable {
        /// The node's identity.
        public var identity: Identity
        /// The peers it accepts, without itself.
        public var peers: [PeerID]
        /// The relays it uses, by identity.
        public var relays: [PeerID]
        /// What relays with token admission ask for, by their identity.
        public var relayTokens: [PeerID: [UInt8]] = [:]
        /// Peers whose address is configured and that this node dials.
        public var dialledPeers: Set<PeerID> = []
        /// Whether the driver has a UDP socket and carries out `CarrierID.udp`; without, no direct path is looked for.
        public var usesDatagrams = false
        /// Whether loopback addresses of peers are probed; for tests on one host.
        public var allowsLoopbackCandidates = false
        /// What becomes of relay connections while every configured peer is reached directly.
        public var afterDirect = AfterDirect.auto
        /// What the node announces; session index and reset token are filled in per session.
        public var parameters: SessionParameters

        /// Makes a configuration.
        public init(identity: Identity, peers: [PeerID], relays: [PeerID], parameters: SessionParameters) {
            self.identity = identity
            self.peers = peers
            self.relays = relays
            self.parameters = parameters
        }
    }

    /// What becomes of relay connections while every configured peer is reached directly (DESIGN section 7).
    public enum AfterDirect: String, Sendable {
        /// Keep them: a dead path is replaced half a second sooner.
        case standby
        /// Close them, and connect again as soon as a path is in doubt.
        case disconnect
        /// As `disconnect`, after 60 s.
        case auto

        /// A path must have lasted this long; long enough not to close what a flapping path needs.
        var settledMilliseconds: UInt64? {
            switch self {
            case .standby: nil
            case .disconnect: 2_000
            case .auto: 60_000
            }
        }
    }

    /// A node that is not configured and asked for a session.
    public struct PendingPeer: Sendable {
        /// Who it says it is; unproven.
        public let id: PeerID
        /// By which carrier it last asked.
        public var carrier: CarrierID
        /// How often it asked.
        public var count: UInt64
        /// When it last asked.
        public var lastAskedAt: Instant
    }

    /// DESIGN section 4.
    private static let pendingPeersMax = 16
    /// Addresses whose HELLOs are limited at the same time; a bucket is full again, and forgotten, after 5 s.
    private static let helloAddressesMax = 1024
    /// A node stays connected to up to three relays of its list (DESIGN section 10).
    private static let relaysMax = 3

    /// This node's name.
    public let id: PeerID
    private var context: PeerContext
    private(set) var links: [RelayLink]
    private var peers: [Peer]
    private let afterDirect: AfterDirect
    /// Since when every configured peer is reached directly.
    private var settledAt: Instant?
    private let peerIndices: [PeerID: PeerIndex]
    private var directPeers: [UInt64: PeerIndex?] = [:]
    private var dials: [PeerIndex: DialLink] = [:]
    private var dialledConnections: [UInt64: PeerIndex] = [:]
    /// Where those who dialled this node come from, by connection.
    private var directAddresses: [UInt64: IPAddress] = [:]
    private var helloBuckets: [IPAddress: TokenBucket] = [:]
    private var tickets: [WorkTicket: TicketOwner] = [:]
    private var nextTicket: WorkTicket = 1
    private var wallClockMilliseconds: UInt64 = 0
    /// Unknown nodes that asked for a session; the last 16.
    public private(set) var pendingPeers: [PendingPeer] = []
    /// Records dropped, by reason.
    public private(set) var recordRefusals: [RecordRefusal: UInt64] = [:]
    /// Other messages dropped, by reason.
    public private(set) var messageRefusals: [NodeRefusal: UInt64] = [:]

    private enum TicketOwner: Sendable {
        case relay(Int, attempt: UInt64)
        case peer(PeerIndex, PeerWork)
    }

    /// Makes a node; its relays are connected at the first `handleTimeout`.
    public init(_ configuration: Configuration, entropy: EntropySource, at now: Instant) {
        id = configuration.identity.id
        context = PeerContext(
            identity: configuration.identity, parameters: configuration.parameters, entropy: entropy)
        context.usesDatagrams = configuration.usesDatagrams
        context.allowsLoopback = configuration.allowsLoopbackCandidates
        afterDirect = configuration.afterDirect
        let instance = context.entropy.bytes(count: RelayProof.instanceByteCount)
        links = configuration.relays.prefix(Self.relaysMax).map {
            RelayLink(id: $0, instance: instance, token: configuration.relayTokens[$0] ?? [], at: now)
        }
        let ids = configuration.peers.filter { $0 != configuration.identity.id }
        peers = ids.enumerated().map { Peer(index: $0.offset, id: $0.element) }
        peerIndices = Dictionary(ids.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
        for (index, id) in ids.enumerated() where configuration.dialledPeers.contains(id) {
            dials[index] = DialLink(at: now)
        }
    }

    // MARK: - Views

    /// The number of peers; indices run from 0.
    public var peerCount: Int { peers.count }
    /// The ID of a peer.
    public func peerID(_ peer: PeerIndex) -> PeerID { peers[peer].id }
    /// The index of a configured peer.
    public func peerIndex(of id: PeerID) -> PeerIndex? { peerIndices[id] }
    /// The carrier that a peer's messages are sent by now.
    public func carrier(of peer: PeerIndex) -> CarrierID? { peers[peer].carrier }
    /// Where copies of the peer's frames go, the same bytes, while the path in use is suspect; `nil` normally.
    public func secondCarrier(of peer: PeerIndex) -> CarrierID? { peers[peer].secondCarrier }
    /// All direct addresses that are known of a peer, and what is known of them.
    public func pathCandidates(of peer: PeerIndex, at now: Instant) -> [PathCandidateStatus] {
        peers[peer].paths.prober?.status(current: peers[peer].paths.currentEndpoint, at: now) ?? []
    }
    /// Since when the peer's records take the path they take.
    public func pathSince(of peer: PeerIndex) -> Instant { peers[peer].paths.currentSince }
    /// Why the path in use is in doubt; `nil` when it is not.
    public func pathSuspicion(of peer: PeerIndex) -> PathSuspicion? { peers[peer].paths.liveness?.suspicion?.reason }
    /// Smoothed round trip of the direct path in use, in nanoseconds; `nil` when none is.
    public func pathRoundTripNanoseconds(of peer: PeerIndex) -> UInt64? {
        peers[peer].paths.liveness?.roundTrip.smoothedNanoseconds
    }
    /// Why the last attempt to reach the peer directly failed; `nil` after a success.
    public func lastAttemptFailure(of peer: PeerIndex) -> DirectAttemptFailure? {
        peers[peer].paths.prober?.lastFailure
    }
    /// Frames that came after their path's generation was over, and waits for a path that were in vain, of the
    /// session in use.
    public func orderCounts(of peer: PeerIndex) -> (late: UInt64, timeouts: UInt64) {
        guard let place = peers[peer].sendingSession else { return (0, 0) }
        return (peers[peer].sessions[place].order.lateCount, peers[peer].sessions[place].order.timeoutCount)
    }
    /// The session that a peer's frames are sealed in now.
    public func session(of peer: PeerIndex) -> Session? { peers[peer].sendingSession.map { peers[peer].sessions[$0] } }
    /// Whether frames to the peer can be sealed and sent now.
    public func isReachable(_ peer: PeerIndex) -> Bool {
        peers[peer].sendingSession != nil && peers[peer].carrier != nil
    }
    /// Whether a handshake with the peer is under way.
    public func isHandshaking(_ peer: PeerIndex) -> Bool { peers[peer].isHandshaking }
    /// Why the last handshake failed; `nil` after a success.
    public func lastFailure(_ peer: PeerIndex) -> HandshakeFailure? { peers[peer].lastFailure }
    /// What relay `relay` said of this node's address; `nil` unless connected.
    public func observedEndpoint(_ relay: Int) -> Endpoint? {
        if case .ready(let ready) = links[relay].state { ready.welcome.observedEndpoint } else { nil }
    }
    /// The UDP port of the STUN service of relay `relay`, 0 when it has none; `nil` unless connected.
    public func stunPort(of relay: Int) -> UInt16? {
        if case .ready(let ready) = links[relay].state { ready.welcome.stunPort } else { nil }
    }
    /// Since when relay `relay` is connected; `nil` when it is not.
    public func readySince(_ relay: Int) -> Instant? {
        if case .ready(let ready) = links[relay].state { ready.since } else { nil }
    }

    /// How much a node holds for its peers' messages; for tests that nothing leaks.
    package struct TableCounts: Equatable, Sendable {
        package var tickets = 0
        package var sessionIndices = 0
        package var sessions = 0
        package var handshakes = 0
        package var directConnections = 0
        package var relayChannels = 0
    }

    /// How much is held now.
    package var tableCounts: TableCounts {
        TableCounts(
            tickets: tickets.count, sessionIndices: context.indices.liveCount,
            sessions: peers.reduce(0) { $0 + $1.sessions.count },
            handshakes: peers.reduce(0) { $0 + $1.handshakeCount },
            directConnections: directPeers.count + dialledConnections.count,
            relayChannels: links.reduce(0) { $0 + $1.channelCount })
    }

    // MARK: - Relays

    /// The TLS connection to a relay is up; `keyHash` is what its certificate's SubjectPublicKeyInfo hashes to.
    public mutating func relayConnected(
        _ relay: Int, keyHash: [UInt8], nowSeconds: UInt64, actions: inout [NodeAction]
    ) {
        wallClockMilliseconds = nowSeconds * 1000
        links[relay].connected(keyHash: keyHash, nowSeconds: nowSeconds)
        actions.append(.event(.relay(relay, .connected)))
    }

    /// The connection to a relay was lost or could not be made.
    public mutating func relayLost(_ relay: Int, reason: String, at now: Instant, actions: inout [NodeAction]) {
        switch links[relay].state {
        case .waiting, .resting: return
        default: break
        }
        links[relay].lost(at: now, entropy: &context.entropy)
        actions.append(.event(.relay(relay, .lost(reason))))
        dropChannels(of: relay, at: now, actions: &actions)
    }

    /// Closes relay connections that no peer needs, and opens them again when one does.
    private mutating func settleRelays(at now: Instant, actions: inout [NodeAction]) {
        guard context.usesDatagrams, let milliseconds = afterDirect.settledMilliseconds else { return }
        if peers.isEmpty || peers.contains(where: { $0.needsRelay }) {
            settledAt = nil
            for relay in links.indices { links[relay].wake(at: now) }
        } else if settledAt == nil {
            if peers.allSatisfy({ $0.isSettledDirect }) { settledAt = now }
        } else if let settledAt, now >= settledAt.advanced(milliseconds: milliseconds) {
            for relay in links.indices where links[relay].rest() {
                actions.append(.event(.relay(relay, .resting)))
                actions.append(.closeRelay(relay))
                dropChannels(of: relay, at: now, actions: &actions)
            }
        }
    }

    private var settleDeadline: Instant? {
        guard let settledAt, let milliseconds = afterDirect.settledMilliseconds,
            links.contains(where: { $0.canRest })
        else { return nil }
        return settledAt.advanced(milliseconds: milliseconds)
    }

    private mutating func dropChannels(of relay: Int, at now: Instant, actions: inout [NodeAction]) {
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.relayClosed(relay, context: &context, at: now, actions: &out)
            }
        }
    }

    /// A relay sent a message on channel 0.
    public mutating func receivedFromRelay(
        _ relay: Int, _ bytes: RawSpan, at now: Instant, actions: inout [NodeAction]
    ) {
        guard let message = try? RelayMessage(parsing: bytes) else {
            messageRefusals[.malformedMessage, default: 0] += 1
            actions.append(.closeRelay(relay))
            return relayLost(relay, reason: "the relay sent a malformed message", at: now, actions: &actions)
        }
        let outcome = links[relay].received(
            message, identity: context.identity, at: now, entropy: &context.entropy)
        apply(outcome, of: relay, at: now, actions: &actions)
    }

    private mutating func apply(
        _ outcome: RelayLink.Outcome, of relay: Int, at now: Instant, actions: inout [NodeAction]
    ) {
        switch outcome {
        case .none: break
        case .connect:
            actions.append(.event(.relay(relay, .connecting)))
            actions.append(.connectRelay(relay))
        case .work(let work): start(work, for: .relay(relay, attempt: links[relay].attempt), actions: &actions)
        case .ready(let welcome):
            actions.append(.event(.relay(relay, .ready(observed: welcome.observedEndpoint))))
            listObservedEndpoints()
            name(peers.map(\.id), to: relay, peersMax: Int(welcome.peersMax), actions: &actions)
        case .opened(let channel, let id):
            guard let index = peerIndices[id] else { return }
            let localID = self.id
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.relayOpened(
                    relay, channel: channel, localID: localID, context: &context, at: now, actions: &out)
            }
        case .closed(let channel):
            for index in peers.indices where peers[index].relayChannels[relay] == channel {
                run(index, at: now, actions: &actions) { peer, context, out in
                    peer.relayClosed(relay, context: &context, at: now, actions: &out)
                }
            }
        case .close(let event):
            actions.append(.event(.relay(relay, event)))
            actions.append(.closeRelay(relay))
            dropChannels(of: relay, at: now, actions: &actions)
        case .event(let event):
            actions.append(.event(.relay(relay, event)))
            if event == .draining {
                for index in peers.indices { peers[index].relayDraining(relay) }
            }
        }
    }

    /// The addresses that relays saw are told to this node only, which lists them inside its sessions.
    private mutating func listObservedEndpoints() {
        context.parameters.candidates.removeAll { $0.source == .relayObserved }
        for relay in links.indices {
            guard let endpoint = observedEndpoint(relay) else { continue }
            let candidate = Candidate(source: .relayObserved, transport: .webSocket, endpoint: endpoint)
            if !context.parameters.candidates.contains(candidate) { context.parameters.candidates.append(candidate) }
        }
    }

    private func name(_ ids: [PeerID], to relay: Int, peersMax: Int, actions: inout [NodeAction]) {
        var rest = ids.prefix(peersMax)
        while !rest.isEmpty {
            let part = Array(rest.prefix(RelayMessage.peersMax))
            rest = rest.dropFirst(part.count)
            actions.append(.sendToRelay(relay, RelayMessage.namePeers(part).bytes))
        }
    }

    // MARK: - Direct connections

    /// A direct connection is open: `peer` is who was dialled, or `nil` when the other side dialled, from `address`.
    public mutating func directOpened(
        _ connection: UInt64, peer: PeerIndex?, from address: IPAddress? = nil, nowSeconds: UInt64, at now: Instant,
        actions: inout [NodeAction]
    ) {
        if peer == nil { directAddresses[connection] = address }
        wallClockMilliseconds = nowSeconds * 1000
        directPeers[connection] = .some(peer)
        guard let peer else { return }
        dials[peer]?.opened(at: now)
        dialledConnections[connection] = peer
        let milliseconds = wallClockMilliseconds
        run(peer, at: now, actions: &actions) { machine, context, out in
            machine.startHandshake(
                by: .direct(connection), nowMilliseconds: milliseconds, context: &context, at: now, actions: &out)
        }
    }

    /// A peer that was dialled could not be reached.
    public mutating func dialFailed(_ peer: PeerIndex, at now: Instant) {
        dials[peer]?.lost(at: now, entropy: &context.entropy)
    }

    /// A direct connection is gone.
    public mutating func directClosed(_ connection: UInt64, at now: Instant, actions: inout [NodeAction]) {
        directAddresses[connection] = nil
        if let dialled = dialledConnections.removeValue(forKey: connection) {
            dials[dialled]?.lost(at: now, entropy: &context.entropy)
        }
        guard let owner = directPeers.removeValue(forKey: connection), let peer = owner else { return }
        run(peer, at: now, actions: &actions) { machine, context, out in
            machine.directClosed(connection, context: &context, at: now, actions: &out)
        }
    }

    // MARK: - Datagrams

    /// This node's addresses on its UDP socket, in place of those named before: at most 32 count. Every peer is told,
    /// and direct paths are looked for anew.
    public mutating func setLocalCandidates(
        _ candidates: [Candidate], at now: Instant, actions: inout [NodeAction]
    ) {
        context.parameters.candidates = Array(candidates.prefix(SessionParameters.candidatesMax))
        listObservedEndpoints()
        settledAt = nil
        for relay in links.indices { links[relay].wake(at: now) }
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.localCandidatesChanged(context: &context, at: now, actions: &out)
            }
        }
    }

    /// Allows direct paths to a peer, or moves it to the relay, losing nothing on the way.
    public mutating func setDirectAllowed(
        _ isAllowed: Bool, for peer: PeerIndex, at now: Instant, actions: inout [NodeAction]
    ) {
        run(peer, at: now, actions: &actions) { machine, _, _ in machine.setDirectAllowed(isAllowed, at: now) }
    }

    /// Frames that waited for their turn while their sender changed its path: take them after each `open`, behind the
    /// frame it returned, and after `handleTimeout`.
    public mutating func takeReleasedFrames() -> [(peer: PeerIndex, bytes: [UInt8])] {
        guard !context.released.isEmpty else { return [] }
        defer { context.released = [] }
        return context.released
    }

    /// Bytes of frames that wait for their turn.
    package var heldByteCount: Int { context.heldByteCount }

    // MARK: - Messages between nodes

    /// A message that is not a record came by a carrier.
    public mutating func received(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) {
        do throws(NodeRefusal) { try dispatch(bytes, by: carrier, at: now, actions: &actions) } catch {
            messageRefusals[error, default: 0] += 1
        }
    }

    private mutating func dispatch(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(NodeRefusal) {
        guard bytes.byteCount > 0, let kind = MessageKind(rawValue: bytes.bigEndian(at: 0, as: UInt8.self)) else {
            throw .malformedMessage
        }
        if kind == .hello { return try receivedHello(bytes, by: carrier, at: now, actions: &actions) }
        guard let index = peer(by: carrier) else { throw .unknownCarrier }
        let copy = bytes.copy(0..<bytes.byteCount)
        let localID = id
        var refusal: NodeRefusal?
        run(index, at: now, actions: &actions) { peer, context, out in
            switch kind {
            case .challenge:
                refusal = peer.received(challenge: copy, by: carrier, context: &context, actions: &out)
            case .response:
                refusal = peer.received(
                    response: copy, by: carrier, localID: localID, context: &context, actions: &out)
            case .established:
                refusal = peer.received(established: copy, by: carrier, context: &context, at: now, actions: &out)
            case .reset:
                guard let message = try? SessionReset(parsing: copy.span.rawBytes) else {
                    return refusal = .malformedMessage
                }
                peer.sessionLost(remoteIndex: message.sessionIndex, token: message.token, at: now, actions: &out)
            case .noSession:
                // Without a token it counts only where a relay vouches for the sender.
                guard carrier.isRelay, let message = try? NoSession(parsing: copy.span.rawBytes) else {
                    return refusal = .malformedMessage
                }
                peer.sessionLost(remoteIndex: message.sessionIndex, token: nil, at: now, actions: &out)
            case .record, .hello: refusal = .unexpectedMessage
            }
        }
        if let refusal { throw refusal }
    }

    private func peer(by carrier: CarrierID) -> PeerIndex? {
        switch carrier {
        case .relay(let relay, let channel):
            guard case .ready(let ready) = links[relay].state, let id = ready.peers[channel] else { return nil }
            return peerIndices[id]
        case .direct(let connection): return directPeers[connection] ?? nil
        case .udp(let endpoint): return peers.firstIndex { $0.paths.prober?.isValid(endpoint) == true }
        }
    }

    private mutating func receivedHello(
        _ bytes: RawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(NodeRefusal) {
        guard let hello = try? Hello(parsing: bytes) else { throw .malformedMessage }
        let sender = PublicIdentity.id(of: hello.initiatorIdentity)
        guard sender != id else { throw .ownIdentity }
        guard hello.responder == id else { throw .notForUs }
        switch carrier {
        case .relay(let relay, let channel):
            guard case .ready(let ready) = links[relay].state, let id = ready.peers[channel] else {
                throw .unknownCarrier
            }
            guard id == sender else { throw .wrongSource }
        case .direct(let connection):
            guard let owner = directPeers[connection] else { throw .unknownCarrier }
            if let owner, peers[owner].id != sender { throw .wrongSource }
            guard mayCostVerification(connection, at: now) else { throw .helloRateLimited }
        // No message of a handshake fits a datagram.
        case .udp: throw .unknownCarrier
        }
        guard let index = peerIndices[sender] else {
            notePending(sender, by: carrier, at: now)
            actions.append(.event(.unknownPeer(sender, carrier)))
            throw .unknownPeer
        }
        if case .direct(let connection) = carrier { directPeers[connection] = .some(index) }
        let copy = bytes.copy(0..<bytes.byteCount)
        var refusal: NodeRefusal?
        run(index, at: now, actions: &actions) { peer, context, out in
            refusal = peer.received(hello: copy, by: carrier, context: &context, at: now, actions: &out)
        }
        if let refusal { throw refusal }
    }

    /// Takes a token of the address that the connection comes from: anyone can dial and name a configured peer, and each
    /// HELLO costs two verifications.
    private mutating func mayCostVerification(_ connection: UInt64, at now: Instant) -> Bool {
        guard let address = directAddresses[connection] else { return true }
        if helloBuckets.count >= Self.helloAddressesMax {
            helloBuckets = helloBuckets.filter { !$0.value.isFull(at: now) }
            guard helloBuckets.count < Self.helloAddressesMax || helloBuckets[address] != nil else { return false }
        }
        var bucket = helloBuckets[address] ?? TokenBucket(perSecond: 1, burst: 5)
        defer { helloBuckets[address] = bucket }
        return bucket.take(at: now)
    }

    private mutating func notePending(_ id: PeerID, by carrier: CarrierID, at now: Instant) {
        if let known = pendingPeers.firstIndex(where: { $0.id == id }) {
            pendingPeers[known].count += 1
            pendingPeers[known].carrier = carrier
            pendingPeers[known].lastAskedAt = now
            return
        }
        if pendingPeers.count >= Self.pendingPeersMax { pendingPeers.removeFirst() }
        pendingPeers.append(PendingPeer(id: id, carrier: carrier, count: 1, lastAskedAt: now))
    }

    // MARK: - Records

    /// Opens a record in place. Throws `RecordRefusal`, which is counted.
    ///
    /// - Returns: the peer and the place of its frame in `record`; `nil` when the record was control or its frame has to
    ///   wait. Call `takeReleasedFrames` next.
    public mutating func open(
        _ record: inout MutableRawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(RecordRefusal) -> (peer: PeerIndex, frame: Range<Int>)? {
        do throws(RecordRefusal) {
            return try openCounted(&record, by: carrier, at: now, actions: &actions)
        } catch {
            recordRefusals[error, default: 0] += 1
            throw error
        }
    }

    private mutating func openCounted(
        _ record: inout MutableRawSpan, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) throws(RecordRefusal) -> (peer: PeerIndex, frame: Range<Int>)? {
        let header: RecordHeader
        do throws(WireError) { header = try RecordHeader(parsing: record.bytes) } catch { throw .malformed }
        guard let index = context.indices.owner(of: header.receiverIndex) else {
            reportLoss(of: header.receiverIndex, by: carrier, at: now, actions: &actions)
            throw .unknownSession
        }
        guard peers[index].owns(carrier) || peer(by: carrier) == index else { throw .wrongCarrier }
        var out: [PeerAction] = []
        let frame = try peers[index].open(
            &record, header: header, by: carrier, context: &context, at: now, actions: &out)
        if frame == nil || !out.isEmpty {
            peers[index].settle(context: &context, at: now, actions: &out)
            apply(out, of: index, at: now, actions: &actions)
            settleRelays(at: now, actions: &actions)
        }
        return frame.map { (index, $0) }
    }

    /// Tells the sender of a record that its session is unknown here: rate-limited, and smaller than the record.
    private mutating func reportLoss(
        of sessionIndex: UInt32, by carrier: CarrierID, at now: Instant, actions: inout [NodeAction]
    ) {
        guard let index = peer(by: carrier), peers[index].mayReportLoss(at: now) else { return }
        switch carrier {
        case .relay: actions.append(.send(carrier, NoSession(sessionIndex: sessionIndex).bytes))
        case .direct, .udp:
            let reset = SessionReset(
                sessionIndex: sessionIndex, token: context.identity.resetToken(for: sessionIndex))
            actions.append(.send(carrier, reset.bytes))
        }
    }

    /// Seals the frame of `byteCount` bytes that lies at `Session.contentOffset` of `record`, in place.
    ///
    /// - Returns: the record's byte count; `nil` when there is no session with the peer. Allocates nothing.
    public mutating func sealFrame(
        to peer: PeerIndex, byteCount: Int, in record: inout MutableRawSpan, at now: Instant
    ) -> Int? { peers[peer].sealFrame(byteCount: byteCount, in: &record, at: now) }

    /// Sends a ping to the peer. Returns `false` when there is no session or no carrier.
    public mutating func ping(
        _ peer: PeerIndex, identifier: UInt64, at now: Instant, actions: inout [NodeAction]
    ) -> Bool {
        var sent = false
        run(peer, at: now, actions: &actions) { machine, context, out in
            sent = machine.ping(identifier, context: &context, at: now, actions: &out)
        }
        return sent
    }

    /// Tells all peers that this node goes away.
    public mutating func shutDown(at now: Instant, actions: inout [NodeAction]) {
        for index in peers.indices {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.close(context: &context, at: now, actions: &out)
            }
        }
    }

    // MARK: - Work

    private mutating func start(_ work: Work, for owner: TicketOwner, actions: inout [NodeAction]) {
        let ticket = nextTicket
        nextTicket += 1
        tickets[ticket] = owner
        actions.append(.work(ticket, work))
    }

    /// Work is done; `processorNanoseconds` is the CPU time it took, for the statistics.
    public mutating func performed(
        _ ticket: WorkTicket, _ result: WorkResult, processorNanoseconds: UInt64, at now: Instant,
        actions: inout [NodeAction]
    ) {
        guard let owner = tickets.removeValue(forKey: ticket) else { return }
        switch owner {
        case .relay(let relay, let attempt):
            // A proof for a connection that is gone says nothing to or about the next one.
            guard attempt == links[relay].attempt else { return }
            let (outcome, proof) = links[relay].proved(result, at: now, entropy: &context.entropy)
            if let proof { actions.append(.sendToRelay(relay, proof)) }
            apply(outcome, of: relay, at: now, actions: &actions)
        case .peer(let index, let part):
            run(index, at: now, actions: &actions) { peer, context, out in
                switch part {
                case .initiator(let nonce):
                    peer.performed(
                        result, nonce: nonce, processorNanoseconds: processorNanoseconds, at: now, actions: &out)
                case .responder(let identifier):
                    peer.performed(
                        result, sessionIdentifier: identifier, processorNanoseconds: processorNanoseconds,
                        context: &context, at: now, actions: &out)
                case .session(let localIndex):
                    peer.performed(result, localIndex: localIndex, context: &context, at: now, actions: &out)
                }
            }
        }
    }

    private mutating func run(
        _ index: PeerIndex, at now: Instant, actions: inout [NodeAction],
        _ body: (inout Peer, inout PeerContext, inout [PeerAction]) -> Void
    ) {
        var out: [PeerAction] = []
        body(&peers[index], &context, &out)
        peers[index].settle(context: &context, at: now, actions: &out)
        apply(out, of: index, at: now, actions: &actions)
    }

    private mutating func apply(
        _ out: [PeerAction], of index: PeerIndex, at now: Instant, actions: inout [NodeAction]
    ) {
        for action in out {
            switch action {
            case .send(let carrier, let bytes): actions.append(.send(carrier, bytes))
            case .work(let work, let part): start(work, for: .peer(index, part), actions: &actions)
            case .event(let event): actions.append(.event(event))
            case .closeDirect(let connection):
                directPeers.removeValue(forKey: connection)
                actions.append(.closeDirect(connection))
            case .namePeer:
                for relay in links.indices where readySince(relay) != nil {
                    name([peers[index].id], to: relay, peersMax: 1, actions: &actions)
                }
            case .closeChannel(let relay, let channel):
                actions.append(.sendToRelay(relay, RelayMessage.channelClosed(channel: channel).bytes))
            case .claim(let connection): directPeers[connection] = .some(index)
            }
        }
    }

    // MARK: - Time

    /// When to call `handleTimeout` next.
    public var deadline: Instant? {
        var result = settleDeadline
        for link in links {
            if let due = link.deadline { result = min(result ?? due, due) }
        }
        for dial in dials.values {
            if let due = dial.deadline { result = min(result ?? due, due) }
        }
        for peer in peers {
            if let due = peer.deadline(context) { result = min(result ?? due, due) }
        }
        return result
    }

    /// Does what is due.
    public mutating func handleTimeout(nowSeconds: UInt64, at now: Instant, actions: inout [NodeAction]) {
        wallClockMilliseconds = nowSeconds * 1000
        let milliseconds = wallClockMilliseconds
        for relay in links.indices {
            let outcome = links[relay].timedOut(at: now, entropy: &context.entropy)
            apply(outcome, of: relay, at: now, actions: &actions)
        }
        for index in dials.keys.sorted() where dials[index]?.timedOut(at: now) == true { actions.append(.dial(index)) }
        for index in peers.indices where peers[index].deadline(context).map({ $0 <= now }) ?? false {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.handleTimeout(nowMilliseconds: milliseconds, context: &context, at: now, actions: &out)
            }
        }
        settleRelays(at: now, actions: &actions)
    }
}
