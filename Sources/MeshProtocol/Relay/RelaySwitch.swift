public import MeshBase
public import MeshCrypto
internal import MeshWire

/// The relay as a sans-IO machine: proofs, presence, and which channel leads where.
///
/// A client connection:
///
///     challenged --PROOF--> verifying --> admitted <--> (names peers; has channels) --> closed
///         | 10 s, evicted       | bad proof, not admitted, full
///         +---------------------+--> refused
///
/// Two IDs are connected when both are here and each has named the other. The switch keeps no record of who talked to
/// whom beyond its live tables.
public struct RelaySwitch: Sendable {
    /// Who may be a client.
    public enum Admission: Sendable {
        case open
        case allowList(Set<PeerID>)
        /// The client must present this token.
        case token([UInt8])
    }

    /// The limits of a relay.
    public struct Limits: Sendable {
        /// Clients at the same time.
        public var clientsMax = 1000
        /// Connections at the same time that have not proven an ID yet. One more takes the place of the oldest, which had
        /// the most time: a proof is one round trip away.
        public var unprovenMax = 256
        /// The same of one source: more than one household proves at once.
        public var unprovenPerSourceMax = 16
        /// Peers that one client may name.
        public var peersPerClientMax = 256
        /// Largest payload that is forwarded, in bytes.
        public var payloadByteCountMax = CarrierItem.payloadByteCountMax
        /// Bytes that each client may send a second; `nil` for no limit.
        public var bytesPerSecondMax: UInt64?
        /// Proofs that are verified at the same time: at 1 ms each no client waits longer than a second.
        public var verificationsMax = 256

        /// The defaults of DESIGN section 13.
        public init() {}
    }

    /// What the switch asks its driver to do.
    public enum Action: Sendable {
        /// Send a message on channel 0.
        case send(ConnectionID, [UInt8])
        /// Close after what was sent before.
        case close(ConnectionID)
        /// Verify, then report with `performed`.
        case work(WorkTicket, Work)
        /// A client is known by its ID from now on.
        case admitted(ConnectionID, PeerID)
    }

    /// The driver's number of a connection.
    public typealias ConnectionID = UInt64

    /// Where a payload goes.
    public struct Route: Equatable, Sendable {
        /// The connection of the other client.
        public var connection: ConnectionID
        /// The channel on that connection.
        public var channel: UInt32
        /// The other client.
        public var peer: PeerID

        /// Makes a route.
        public init(connection: ConnectionID, channel: UInt32, peer: PeerID) {
            self.connection = connection
            self.channel = channel
            self.peer = peer
        }
    }

    /// Why a payload was not forwarded, or a connection was closed.
    public enum Refusal: String, Error, Sendable, CaseIterable {
        case unknownConnection = "unknown_connection"
        case notAdmitted = "not_admitted"
        case unknownChannel = "unknown_channel"
        case payloadTooLong = "payload_too_long"
        case rateLimited = "rate_limited"
        case badProof = "bad_proof"
        case malformed = "malformed"
        case tooManyPeers = "too_many_peers"
        case tooManyMessages = "too_many_messages"
        case proofTimedOut = "proof_timed_out"
        case full = "full"
        case draining = "draining"
        case tooManyUnproven = "too_many_unproven"
        case replaced = "replaced"
    }

    /// DESIGN section 5: the client's proof is one round trip and one signature away.
    private static let proofMilliseconds: UInt64 = 10_000
    /// Naming all peers anew takes a handful of messages; more is abuse.
    private static let controlMessagesPerSecond: UInt64 = 20
    private static let controlMessagesBurst: UInt64 = 100

    private struct Client: Sendable {
        enum State: Sendable {
            case challenged(challenge: [UInt8], keyHash: [UInt8], deadline: Instant)
            case verifying(RelayProof)
            case admitted(PeerID)
        }
        var state: State
        var observed: Endpoint
        var connectedAt: Instant
        var instance: [UInt8] = []
        var named: Set<PeerID> = []
        var routes: [UInt32: Route] = [:]
        var channels: [PeerID: UInt32] = [:]
        var nextChannel: UInt32 = 1
        var controlMessages = TokenBucket(perSecond: controlMessagesPerSecond, burst: controlMessagesBurst)
        var bytes: TokenBucket?
    }

    /// The relay's name.
    public let id: PeerID
    private var statement: RelayKeyStatement
    private let admission: Admission
    /// The limits; may be changed while running.
    public var limits: Limits
    private let stunPort: UInt16
    private var entropy: EntropySource
    private var clients: [ConnectionID: Client] = [:]
    private var connections: [PeerID: ConnectionID] = [:]
    private var tickets: [WorkTicket: ConnectionID] = [:]
    private var nextTicket: WorkTicket = 1
    private var strangers: StrangerTable
    private var isDraining = false
    /// Events refused, by reason.
    public private(set) var refusals: [Refusal: UInt64] = [:]

    /// Makes a switch. `entropy` gives challenges.
    public init(
        id: PeerID, statement: RelayKeyStatement, admission: Admission, limits: Limits, stunPort: UInt16,
        entropy: EntropySource
    ) {
        self.id = id
        self.statement = statement
        self.admission = admission
        self.limits = limits
        self.stunPort = stunPort
        self.entropy = entropy
        strangers = StrangerTable(
            countMax: limits.unprovenMax, countPerSourceMax: limits.unprovenPerSourceMax)
    }

    /// Clients that have proven their ID.
    public var admittedCount: Int { connections.count }
    /// All connections.
    public var connectionCount: Int { clients.count }
    /// Entries of all tables together, for tests that nothing leaks.
    package var tableEntryCount: Int {
        clients.count + connections.count + tickets.count + strangers.count
            + clients.values.reduce(0) { $0 + $1.routes.count + $1.channels.count }
    }
    private var hasAllClients: Bool { connections.count >= limits.clientsMax }
    /// Whether a new connection is to be turned away: all clients are here. One that comes after a client has gone is let in,
    /// also when it is a client's that changed its address: its old connection is found dead within 35 s.
    public var isFull: Bool { !isDraining && hasAllClients }
    /// Pairs of clients that are connected now.
    public var pairCount: Int { clients.values.reduce(0) { $0 + $1.routes.count } / 2 }

    /// Uses a new statement for connections from now on: TLS key or time changed.
    public mutating func replaceStatement(_ statement: RelayKeyStatement) { self.statement = statement }

    // MARK: - Connections

    /// A client has connected.
    public mutating func connected(
        _ connection: ConnectionID, from endpoint: Endpoint, at now: Instant, actions: inout [Action]
    ) {
        guard !isDraining else { return refuse(connection, .draining, tell: .draining, &actions) }
        if let oldest = strangers.admit(connection, from: endpoint.address) {
            refuse(oldest, .tooManyUnproven, tell: .full, &actions)
        }
        let challenge = entropy.bytes(count: SuiteSizes.nonceByteCount)
        let deadline = now.advanced(milliseconds: Self.proofMilliseconds)
        var client = Client(
            state: .challenged(challenge: challenge, keyHash: statement.keyHash, deadline: deadline),
            observed: endpoint, connectedAt: now)
        client.bytes = limits.bytesPerSecondMax.map { TokenBucket(perSecond: $0, burst: $0) }
        clients[connection] = client
        let message = RelayChallenge(
            relayIdentity: statement.relayIdentity, keyHash: statement.keyHash,
            notAfterSeconds: statement.notAfterSeconds, signature: statement.signature, challenge: challenge)
        actions.append(.send(connection, RelayMessage.challenge(message).bytes))
    }

    /// A connection is gone.
    public mutating func closed(_ connection: ConnectionID, actions: inout [Action]) {
        strangers.remove(connection)
        guard let client = clients.removeValue(forKey: connection) else { return }
        if case .admitted(let id) = client.state, connections[id] == connection {
            connections.removeValue(forKey: id)
        }
        for route in client.routes.values { closeChannel(route.channel, of: route.connection, &actions) }
    }

    private mutating func closeChannel(_ channel: UInt32, of connection: ConnectionID, _ actions: inout [Action]) {
        guard let route = clients[connection]?.routes.removeValue(forKey: channel) else { return }
        clients[connection]?.channels.removeValue(forKey: route.peer)
        actions.append(.send(connection, RelayMessage.channelClosed(channel: channel).bytes))
    }

    private mutating func refuse(
        _ connection: ConnectionID, _ refusal: Refusal, tell reason: RelayRefusal.Reason?, _ actions: inout [Action]
    ) {
        refusals[refusal, default: 0] += 1
        if let reason {
            actions.append(.send(connection, RelayMessage.refused(RelayRefusal(reason: reason)).bytes))
        }
        actions.append(.close(connection))
        closed(connection, actions: &actions)
    }

    // MARK: - Messages

    /// A client sent a message on channel 0.
    public mutating func received(
        _ bytes: RawSpan, from connection: ConnectionID, at now: Instant, actions: inout [Action]
    ) {
        guard let client = clients[connection] else { return }
        guard clients[connection]?.controlMessages.take(at: now) == true else {
            return refuse(connection, .tooManyMessages, tell: .protocolViolation, &actions)
        }
        guard let message = try? RelayMessage(parsing: bytes) else {
            return refuse(connection, .malformed, tell: .protocolViolation, &actions)
        }
        switch (client.state, message) {
        case (.challenged(let challenge, let keyHash, _), .proof(let proof)):
            verify(proof, challenge: challenge, keyHash: keyHash, from: connection, &actions)
        case (.admitted(let id), .namePeers(let peers)): name(peers, by: id, connection, &actions)
        case (.admitted, .forgetPeers(let peers)):
            for peer in peers {
                clients[connection]?.named.remove(peer)
                if let channel = clients[connection]?.channels[peer] { closePair(channel, connection, &actions) }
            }
        case (.admitted, .channelClosed(let channel)):
            // Both sides stay named: either opens a new channel by naming the other again.
            closePair(channel, connection, &actions)
        default: refuse(connection, .malformed, tell: .protocolViolation, &actions)
        }
    }

    private mutating func closePair(_ channel: UInt32, _ connection: ConnectionID, _ actions: inout [Action]) {
        guard let route = clients[connection]?.routes[channel] else { return }
        closeChannel(channel, of: connection, &actions)
        closeChannel(route.channel, of: route.connection, &actions)
    }

    private mutating func verify(
        _ proof: RelayProof, challenge: [UInt8], keyHash: [UInt8], from connection: ConnectionID,
        _ actions: inout [Action]
    ) {
        guard tickets.count < limits.verificationsMax else { return refuse(connection, .full, tell: .full, &actions) }
        guard isAdmitted(proof) else { return refuse(connection, .notAdmitted, tell: .notAdmitted, &actions) }
        clients[connection]?.state = .verifying(proof)
        let ticket = nextTicket
        nextTicket += 1
        tickets[ticket] = connection
        actions.append(
            .work(
                ticket,
                .admitClient(AdmitClient(relay: id, keyHash: keyHash, challenge: challenge, proof: proof))))
    }

    private func isAdmitted(_ proof: RelayProof) -> Bool {
        switch admission {
        case .open: true
        case .allowList(let ids): ids.contains(PublicIdentity.id(of: proof.clientIdentity))
        case .token(let token): ConstantTime.equal(Digest.sha256(token), Digest.sha256(proof.token))
        }
    }

    /// Work that the switch asked for is done.
    public mutating func performed(
        _ ticket: WorkTicket, _ result: WorkResult, at now: Instant, actions: inout [Action]
    ) {
        guard let connection = tickets.removeValue(forKey: ticket), var client = clients[connection],
            case .verifying(let proof) = client.state
        else { return }
        guard case .admitted(let id) = result else {
            return refuse(connection, .badProof, tell: .badProof, &actions)
        }
        guard !isDraining else { return refuse(connection, .draining, tell: .draining, &actions) }
        guard !hasAllClients || connections[id] != nil else {
            return refuse(connection, .full, tell: .full, &actions)
        }
        if let old = connections[id] {
            actions.append(.send(old, RelayMessage.replaced(instance: proof.instance).bytes))
            refuse(old, .replaced, tell: nil, &actions)
        }
        strangers.remove(connection)
        client.state = .admitted(id)
        client.instance = proof.instance
        clients[connection] = client
        connections[id] = connection
        let welcome = RelayWelcome(
            observedEndpoint: client.observed, stunPort: stunPort,
            payloadByteCountMax: UInt32(limits.payloadByteCountMax),
            peersMax: UInt16(clamping: limits.peersPerClientMax))
        actions.append(.send(connection, RelayMessage.welcome(welcome).bytes))
        actions.append(.admitted(connection, id))
    }

    private mutating func name(
        _ peers: [PeerID], by id: PeerID, _ connection: ConnectionID, _ actions: inout [Action]
    ) {
        for peer in peers where peer != id {
            if clients[connection]?.named.contains(peer) != true {
                guard (clients[connection]?.named.count ?? 0) < limits.peersPerClientMax else {
                    refusals[.tooManyPeers, default: 0] += 1
                    return
                }
                clients[connection]?.named.insert(peer)
            }
            guard let other = connections[peer], clients[other]?.named.contains(id) == true,
                clients[connection]?.channels[peer] == nil
            else { continue }
            let near = openChannel(to: peer, on: connection)
            let far = openChannel(to: id, on: other)
            clients[connection]?.routes[near] = Route(connection: other, channel: far, peer: peer)
            clients[other]?.routes[far] = Route(connection: connection, channel: near, peer: id)
            actions.append(.send(connection, RelayMessage.channelOpened(channel: near, peer: peer).bytes))
            actions.append(.send(other, RelayMessage.channelOpened(channel: far, peer: id).bytes))
        }
    }

    private mutating func openChannel(to peer: PeerID, on connection: ConnectionID) -> UInt32 {
        guard var client = clients[connection] else { return 0 }
        // Numbers wrap after 4 billion channels on one connection; one that is in use is stepped over.
        while client.nextChannel == CarrierItem.controlChannel || client.routes[client.nextChannel] != nil {
            client.nextChannel &+= 1
        }
        let channel = client.nextChannel
        client.nextChannel &+= 1
        client.channels[peer] = channel
        clients[connection] = client
        return channel
    }

    /// Where a payload of `byteCount` bytes goes. Throws `Refusal`, which is counted.
    public mutating func route(
        from connection: ConnectionID, channel: UInt32, byteCount: Int, at now: Instant
    ) throws(Refusal) -> Route {
        do throws(Refusal) {
            guard byteCount <= limits.payloadByteCountMax else { throw .payloadTooLong }
            guard let route = clients[connection]?.routes[channel] else {
                throw clients[connection] == nil ? .unknownConnection : .unknownChannel
            }
            guard clients[connection]?.bytes?.take(UInt64(byteCount), at: now) != false else { throw .rateLimited }
            return route
        } catch {
            refusals[error, default: 0] += 1
            throw error
        }
    }

    // MARK: - Time

    /// When to call `handleTimeout` next.
    public var deadline: Instant? {
        clients.values.compactMap { client in
            if case .challenged(_, _, let deadline) = client.state { deadline } else { nil }
        }.min()
    }

    /// Refuses clients that have not proven their ID in time.
    public mutating func handleTimeout(at now: Instant, actions: inout [Action]) {
        let late = clients.filter { _, client in
            if case .challenged(_, _, let deadline) = client.state { now >= deadline } else { false }
        }
        for connection in late.keys.sorted() { refuse(connection, .proofTimedOut, tell: .timedOut, &actions) }
    }

    /// Tells all clients that the relay will stop, and takes no new ones.
    public mutating func drain(actions: inout [Action]) {
        isDraining = true
        for connection in connections.values.sorted() {
            actions.append(.send(connection, RelayMessage.draining.bytes))
        }
    }
}
