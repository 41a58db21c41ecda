public import MeshBase

/// The Ethernet switch of one node: one local port, the TAP, and a mesh port for each peer.
///
///     TAP --receivedFromLocal--> learn, refuse, answer --> one port, or all under their flood limits
///     TAP <------- .deliver ---- learn, refuse, snoop <--receivedFromPeer-- peer
///
/// A frame from the mesh goes to the TAP or nowhere (split horizon): with a mesh in which each node reaches each
/// other, that alone keeps the mesh itself free of loops. Loops through a LAN are found by `LoopGuard`. Nothing in a
/// frame is trusted, and no input traps. No clock and no I/O: time is passed in, and what must be sent is handed out.
///
/// No memory is taken per frame: the tables get theirs when a port is added, `ports` and `reply` are the caller's and
/// keep their capacity. ARP, neighbour discovery and loop probes may allocate.
public struct EthernetSwitch: Sendable {
    /// Mesh ports at most; 1,024 peers with 256 addresses each are a table of 32 MB.
    public static let portsMax = 1_024
    /// Events kept until they are taken; more than one tick can bring about unless somebody misbehaves.
    public static let eventsMax = 64
    /// How often a port is reported for the same misbehaviour: once a minute.
    static let reportIntervalMilliseconds: UInt64 = 60_000
    /// How often aged entries are swept. They count for nothing meanwhile, save against the limits.
    static let sweepIntervalMilliseconds: UInt64 = 10_000

    /// What to do with a frame from the TAP.
    public enum LocalVerdict: Equatable, Sendable {
        /// Send it to each of `ports`.
        case forward
        /// Write `reply` to the TAP; the frame itself goes nowhere.
        case reply
        /// Nothing.
        case drop(DropReason)
    }

    /// What to do with a frame from a peer.
    public enum PeerVerdict: Equatable, Sendable {
        /// Write it to the TAP.
        case deliver
        /// Nothing.
        case drop(DropReason)
    }

    /// What `handleTimeout` asks for.
    public enum Action: Equatable, Sendable {
        /// Send this frame to the peer as if it had come from the TAP, past every limit: a loop probe, 60 bytes.
        case send([UInt8], to: PortIndex)
    }

    struct Port: Sendable {
        var bucket: TokenBucket
        var claimReportedAt: Instant?
        var limitReportedAt: Instant?
    }

    let configuration: Configuration
    var table: AddressTable
    var bindings = BindingTable()
    var loopGuard: LoopGuard
    var endpoints = TunnelEndpoints()
    var portStates: [Port?] = []
    var activePorts: [PortIndex] = []
    var sweepAt = Instant.zero
    /// Whether everything is to be forgotten once more at the next round.
    var isForgettingDue = false
    private var events: [SwitchEvent] = []

    /// What happened so far.
    public internal(set) var counters = SwitchCounters()

    /// Makes a switch without mesh ports.
    ///
    /// - Parameter seed: from the system's random source; keys the address table and the loop probes.
    public init(configuration: Configuration, seed: UInt64) {
        var expander = SeedExpander(seed: seed)
        self.configuration = configuration
        table = AddressTable(
            hash: KeyedHash(from: &expander), ageSeconds: configuration.ageSeconds,
            addressesPerPortMax: configuration.addressesPerPeerMax, localAddress: configuration.localAddress)
        loopGuard = LoopGuard(from: &expander)
    }

    /// Whether the TAP is blocked because another node links the same LAN to the mesh.
    public var isLocalPortBlocked: Bool { loopGuard.isBlocked }

    /// When `handleTimeout` must be called; `nil` while there is nothing to wait for, in the past when it is due.
    ///
    /// Changes nothing: for a getter that only reads, Swift copies a class's property, and this is asked with every batch.
    public var deadline: Instant? {
        mutating get {
            guard !table.isEmpty || bindings.count > 0 else { return loopGuard.deadline }
            return loopGuard.deadline.map { min($0, sweepAt) } ?? sweepAt
        }
    }

    /// Adds a mesh port with a full flood limit; without effect on a port that is there.
    ///
    /// - Returns: `false` when the index is not in 0..<`portsMax`.
    @discardableResult
    public mutating func addPort(_ port: PortIndex) -> Bool {
        guard port.value >= 0, port.value < Self.portsMax else { return false }
        guard !hasPort(port) else { return true }
        while portStates.count <= port.value { portStates.append(nil) }
        portStates[port.value] = Port(
            bucket: TokenBucket(
                perSecond: UInt64(configuration.floodLimit.framesPerSecond),
                burst: UInt64(configuration.floodLimit.burstFrames)))
        activePorts.append(port)
        table.reserve(portCount: port.value + 1)
        loopGuard.add(port)
        return true
    }

    /// The peer at `port` can be reached from now on: what was sent there before is lost. It gets a loop probe at once,
    /// by which it knows this node's number; without effect on a port that is not there.
    public mutating func portReachable(_ port: PortIndex) {
        if hasPort(port) { loopGuard.probe(port) }
    }

    /// Removes a mesh port and forgets what was learned from it; without effect on a port that is not there.
    public mutating func removePort(_ port: PortIndex) {
        guard hasPort(port) else { return }
        portStates[port.value] = nil
        activePorts.removeAll { $0 == port }
        forget(port)
        loopGuard.remove(port)
    }

    /// Replaces the UDP endpoints that the mesh's own records go to, at most 8,192: frames from the TAP to one of them that
    /// come from a socket of `setTunnelSockets` are dropped.
    public mutating func setTunnelEndpoints(_ endpoints: [Endpoint]) { self.endpoints.replace(with: endpoints) }

    /// Replaces the sockets that the mesh's own records come from; there are none at first.
    public mutating func setTunnelSockets(_ sockets: TunnelSockets) { endpoints.replace(with: sockets) }

    /// Does what is due: loop probes, ageing, opening a blocked TAP. Appends to `actions`.
    public mutating func handleTimeout(at now: Instant, actions: inout [Action]) {
        updateBlocking(at: now)
        var sentCount: UInt64 = 0
        let isRound = loopGuard.sendProbes(at: now) { frame, port in
            actions.append(.send(frame, to: port))
            sentCount += 1
        }
        counters.probesSent += sentCount
        if isRound, isForgettingDue {
            forgetAll()
            isForgettingDue = false
        }
        guard now >= sweepAt else { return }
        sweepAt = now.advanced(milliseconds: Self.sweepIntervalMilliseconds)
        table.removeAged(at: now)
        bindings.removeAged(at: now)
    }

    /// Takes the events that happened since the last call, oldest first; at most `eventsMax`, further ones are
    /// counted as lost.
    public mutating func takeEvents() -> [SwitchEvent] {
        defer { events = [] }
        return events
    }

    /// The addresses known at `now`, in no order; for people, not for the packet path.
    public func learnedAddresses(at now: Instant) -> [LearnedAddress] {
        var result: [LearnedAddress] = []
        table.forEach(at: now) { address, place, age in
            result.append(LearnedAddress(address: address, port: place.port, ageSeconds: age))
        }
        return result
    }

    /// Bindings of IP to hardware addresses held.
    package var bindingCount: Int { bindings.count }
    /// Addresses held, those included that have aged and are not yet swept.
    package var addressCount: Int { table.count }
    /// This process's number in loop probes; the lower one of two goes on forwarding.
    package var loopNumber: UInt64 { loopGuard.number }

    func hasPort(_ port: PortIndex) -> Bool {
        port.value >= 0 && port.value < portStates.count && portStates[port.value] != nil
    }

    mutating func report(_ event: SwitchEvent) {
        if events.count < Self.eventsMax { events.append(event) } else { counters.eventsLost += 1 }
    }

    mutating func forget(_ port: PortIndex) {
        table.removeAll(at: Place(port))
        bindings.removeAll(at: Place(port))
    }

    mutating func forgetAll() {
        table.removeAll()
        bindings.removeAll()
    }

    /// Blocks or opens the TAP if that is called for; either way what was learned is void.
    mutating func updateBlocking(at now: Instant) {
        guard let change = loopGuard.updateBlocking(at: now) else { return }
        forgetAll()
        switch change {
        case .blocked(let port): report(.localPortBlocked(because: port))
        case .opened: report(.localPortUnblocked)
        }
    }
}
