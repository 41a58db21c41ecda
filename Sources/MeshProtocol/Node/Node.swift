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
        /// How many relays are connected at the same time, of the beginning of the list; the others take the places of those
        /// that cannot be reached.
        public var relayPlacesMax = 3
        /// Whether relays keep their places though nobody is found there. They do where it is known at which relays each
        /// peer is; without, peers are searched at one relay of the list after the other.
        public var keepsRelays = false
        /// Peers whose address is configured and that this node dials.
        public var dialledPeers: Set<PeerID> = []
        /// Whether the driver has a UDP socket and carries out `CarrierID.udp`; without, no direct path is looked for.
        public var usesDatagrams = false
        /// Bytes of the longest datagram that the driver sends; what no path carries is found out by probing.
        public var datagramByteCountMax = 1_472
        /// Whether the driver carries out `openConnections`.
        public var opensConnections = false
        /// Whether the driver carries out `NodeAction.traversal`.
        public var opensSockets = false
        /// What this node's translators are taken for, whatever relays saw; for tests.
        public var mappingOverride: MappingOverride?
        /// Whether loopback addresses of peers are probed; for tests on one host.
        public var allowsLoopbackCandidates = false
        /// What becomes of relay connections while every configured peer is reached directly.
        public var afterDirect = AfterDirect.auto
        /// What the node announces; session index and reset token are filled in per session.
        public var parameters: SessionParameters

        /// How ports are given, in two words.
        public enum MappingOverride: Sendable {
            /// One port, whatever the destination.
            case independent
            /// A port of its own for each destination, at random.
            case random
        }

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
    static let pendingPeersMax = 16
    /// Addresses whose HELLOs are limited at the same time; a bucket is full again, and forgotten, after 5 s.
    static let helloAddressesMax = 1024
    /// Connections of others that belong to no session: those of all peers' attempts, and room for lost souls.
    static let strangersMax = 64
    /// Of these from one network: several nodes behind one address translation may come at once.
    static let strangersPerNetworkMax = 16
    /// A handshake takes 10 s at most, a challenge 5 s.
    static let strangerMilliseconds: UInt64 = 15_000

    /// A connection that another host opened and that belongs to no session yet.
    struct Stranger: Sendable {
        let connection: UInt64
        let network: IPAddress?
        let since: Instant
    }

    /// This node's name.
    public let id: PeerID
    var context: PeerContext
    var links: [RelayLink]
    let relayPlacesMax: Int
    let keepsRelays: Bool
    /// Tells this run of the node from others with the same identity.
    let instance: [UInt8]
    var peers: [Peer]
    let afterDirect: AfterDirect
    var peerDeadlines: PeerDeadlines
    var relayNeeds: RelayNeedCounts
    /// Since when every configured peer is reached directly.
    var settledAt: Instant?
    let peerIndices: [PeerID: PeerIndex]
    var directPeers: [UInt64: PeerIndex?] = [:]
    var dials: [PeerIndex: DialLink] = [:]
    var dialledConnections: [UInt64: PeerIndex] = [:]
    /// Connections that others opened and that belong to no session yet, oldest first.
    var strangers: [Stranger] = []
    /// Direct connections on which nothing was proven yet.
    var untrusted: Set<UInt64> = []
    /// By network: the host part of an IPv6 address can be chosen freely.
    var helloBuckets: [IPAddress: TokenBucket] = [:]
    /// For answers to records on direct connections that are nobody's yet.
    var lossBucket = TokenBucket(perSecond: 1, burst: 5)
    var tickets: [WorkTicket: TicketOwner] = [:]
    var nextTicket: WorkTicket = 1
    var wallClockMilliseconds: UInt64 = 0
    /// Unknown nodes that asked for a session; the last 16.
    public internal(set) var pendingPeers: [PendingPeer] = []
    /// Records dropped, by reason.
    public internal(set) var recordRefusals: [RecordRefusal: UInt64] = [:]
    /// Other messages dropped, by reason.
    public internal(set) var messageRefusals: [NodeRefusal: UInt64] = [:]

    enum TicketOwner: Sendable {
        case relay(Int, attempt: UInt64)
        case peer(PeerIndex, PeerWork)
    }

    /// Makes a node; its relays are connected at the first `handleTimeout`.
    public init(_ configuration: Configuration, entropy: EntropySource, at now: Instant) {
        id = configuration.identity.id
        context = PeerContext(
            identity: configuration.identity, parameters: configuration.parameters, entropy: entropy)
        context.usesDatagrams = configuration.usesDatagrams
        context.datagramByteCountMax = configuration.datagramByteCountMax
        context.opensConnections = configuration.opensConnections
        context.opensSockets = configuration.opensSockets
        context.mappingOverride = configuration.mappingOverride
        context.allowsLoopback = configuration.allowsLoopbackCandidates
        afterDirect = configuration.afterDirect
        let instance = context.entropy.bytes(count: RelayProof.instanceByteCount)
        self.instance = instance
        relayPlacesMax = configuration.relayPlacesMax
        keepsRelays = configuration.keepsRelays
        links = configuration.relays.enumerated().map { place, id in
            RelayLink(
                id: id, instance: instance, token: configuration.relayTokens[id] ?? [],
                isSpare: place >= configuration.relayPlacesMax, at: now)
        }
        let ids = configuration.peers.filter { $0 != configuration.identity.id }
        peers = ids.enumerated().map { Peer(index: $0.offset, id: $0.element) }
        peerDeadlines = PeerDeadlines(peerCount: ids.count)
        relayNeeds = RelayNeedCounts(peerCount: ids.count)
        peerIndices = Dictionary(ids.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
        for (index, id) in ids.enumerated() where configuration.dialledPeers.contains(id) {
            dials[index] = DialLink(at: now)
        }
    }

    // MARK: - Work

    mutating func start(_ work: Work, for owner: TicketOwner, actions: inout [NodeAction]) {
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

    mutating func run(
        _ index: PeerIndex, at now: Instant, actions: inout [NodeAction],
        _ body: (inout Peer, inout PeerContext, inout [PeerAction]) -> Void
    ) {
        var out: [PeerAction] = []
        body(&peers[index], &context, &out)
        settle(index, &out, at: now, actions: &actions)
    }

    /// Brings a peer's paths in order after something happened, and does what it asks for.
    mutating func settle(
        _ index: PeerIndex, _ out: inout [PeerAction], at now: Instant, actions: inout [NodeAction]
    ) {
        peers[index].settle(context: &context, at: now, actions: &out)
        apply(out, of: index, at: now, actions: &actions)
        relayNeeds.note(peers[index].relayNeed, of: index)
        peerDeadlines.touch(index)
    }

    mutating func apply(
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
            case .openConnections(let targets):
                actions.append(.openConnections(index, targets, isClient: id < peers[index].id))
            case .stopOpening: actions.append(.stopOpening(index))
            case .traversal(let action): actions.append(.traversal(index, action))
            case .namePeer:
                for relay in links.indices where links[relay].canRest {
                    name([peers[index].id], to: relay, peersMax: 1, actions: &actions)
                }
            case .hurryRelays: for relay in links.indices { links[relay].hurry(at: now) }
            case .closeChannel(let relay, let channel):
                actions.append(.sendToRelay(relay, RelayMessage.channelClosed(channel: channel).bytes))
            case .claim(let connection):
                directPeers[connection] = .some(index)
                strangers.removeAll { $0.connection == connection }
                trust(connection, actions: &actions)
            case .refused(let refusal): messageRefusals[refusal, default: 0] += 1
            }
        }
    }

    // MARK: - Time

    /// When to call `handleTimeout` next.
    public var deadline: Instant? {
        mutating get {
            refreshPeerDeadlines()
            var result = peerDeadlines.first
            func consider(_ instant: Instant?) { if let instant { result = min(result ?? instant, instant) } }
            consider(settleDeadline)
            consider(searchDeadline)
            for link in links { consider(link.deadline) }
            for dial in dials.values { consider(dial.deadline) }
            consider(strangerDeadline)
            return result
        }
    }

    private mutating func refreshPeerDeadlines() {
        while let peer = peerDeadlines.nextStale { peerDeadlines.refresh(peer, peers[peer].deadline(context)) }
    }

    /// Does what is due.
    public mutating func handleTimeout(nowSeconds: UInt64, at now: Instant, actions: inout [NodeAction]) {
        wallClockMilliseconds = nowSeconds * 1000
        let milliseconds = wallClockMilliseconds
        rotateRelays(at: now, actions: &actions)
        for relay in links.indices {
            let outcome = links[relay].timedOut(at: now, entropy: &context.entropy)
            apply(outcome, of: relay, at: now, actions: &actions)
        }
        for index in dials.keys.sorted() {
            if peers[index].paths.currentEndpoint != nil { dials[index]?.rest(at: now) }
            if dials[index]?.timedOut(at: now) == true { actions.append(.dial(index)) }
        }
        closeStrangers(at: now, actions: &actions)
        refreshPeerDeadlines()
        for index in peers.indices where peerDeadlines.isDue(index, at: now) {
            run(index, at: now, actions: &actions) { peer, context, out in
                peer.handleTimeout(nowMilliseconds: milliseconds, context: &context, at: now, actions: &out)
            }
        }
        settleRelays(at: now, actions: &actions)
    }
}
