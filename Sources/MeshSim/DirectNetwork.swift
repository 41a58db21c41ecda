public import MeshBase

/// The simulated network between the hosts' UDP sockets: one link each way for each pair and version of IP.
///
/// A link without jitter keeps the order of its datagrams, also when its delay changes.
public struct DirectNetwork: Sendable {
    /// What the links do to datagrams.
    public var faults: Faults
    /// One-way delays that differ, by link.
    public var delays: [Link: UInt64] = [:]
    /// Links that carry nothing.
    public var cut: Set<Link> = []
    /// Whether all frames and slices are lost, and nothing else: polls and challenges get through.
    public var dropsFrames = false
    /// Longer datagrams vanish on the way, and nobody is told.
    public var datagramByteCountMax = Int.max
    /// Longer datagrams are refused by the sender's kernel, which says so (EMSGSIZE).
    public var interfaceByteCountMax = Int.max
    /// How each host is attached.
    public var attachments: [Attachment] = []
    /// What an attacker on the links does; `nil` for none.
    public var attack: Attack?
    /// Every datagram that was sent, for an attacker; only kept when asked for.
    public var recorded: [Datagram]?
    /// Whether hosts open further sockets for ways through translators.
    public var opensSockets = false
    /// Bytes sent to addresses that belong to no host.
    public internal(set) var strayByteCounts: [Endpoint: Int] = [:]
    /// Datagrams sent, by sender and receiver.
    public internal(set) var sentCounts: [Link: Int] = [:]
    /// Datagrams that a burst of loss still swallows, by link.
    private var bursts: [Link: UInt64] = [:]
    private var lastArrivals: [Link: Instant] = [:]
    /// All addresses that hosts ever named.
    var named: Set<Endpoint> = []
    /// Addresses of their translators among them, of which a host may have any port tried.
    var namedTranslators: Set<IPAddress> = []
    /// Who got something that a host sent to an address, and when first.
    private var reached: [Hearing: (host: Int, at: Instant)] = [:]
    /// Who sent a host something from an address after he had got something there: only that can prove an address.
    private(set) var roundTrips: [Hearing: Int] = [:]
    /// Bytes that came from addresses that are neither named nor proven, less those sent there.
    var credits: [Hearing: Int] = [:]

    /// From one host to another, by one version of IP.
    public struct Link: Hashable, Sendable {
        /// The sender.
        public var from: Int
        /// The receiver.
        public var to: Int
        /// Whether it is the link of IPv6.
        public var isVersion6: Bool

        /// Makes a link.
        public init(_ from: Int, _ to: Int, isVersion6: Bool = false) {
            self.from = from
            self.to = to
            self.isVersion6 = isVersion6
        }
    }

    /// A host, and an address that it knows of.
    struct Hearing: Hashable, Sendable {
        var host: Int
        var endpoint: Endpoint
    }

    /// A datagram on its way.
    public struct Datagram: Sendable {
        /// The sender's address.
        public var source: Endpoint
        /// The receiver's address.
        public var destination: Endpoint
        /// What it carries.
        public var bytes: [UInt8]
    }

    init(hostCount: Int) {
        faults = Faults()
        faults.delayMilliseconds = 15
        attachments = (0..<hostCount).map { Attachment(host: $0, generation: 0) }
        for attachment in attachments { named.formUnion(attachment.candidates) }
    }

    /// The first address of a host's UDP socket (RFC 5737).
    public static func endpoint(of host: Int) -> Endpoint { Attachment.version4Endpoint(of: host, generation: 0) }

    // MARK: - Carrying

    /// Where a datagram that a host sends now goes.
    enum Passage {
        /// To a host, by a link.
        case passes(Link, source: Endpoint)
        /// The network has no way for it, or loses it.
        case lost
        /// Nobody has the address.
        case stray
    }

    /// Takes a datagram from a host's socket.
    mutating func carry(
        _ datagram: [UInt8], to endpoint: Endpoint, from host: Int, socket: Int, at now: Instant
    ) -> Passage {
        guard !attachments[host].isBlocked,
            let source = attachments[host].source(for: endpoint, socket: socket, at: now)
        else { return .lost }
        recorded?.append(Datagram(source: source, destination: endpoint, bytes: datagram))
        guard let to = attachments.firstIndex(where: { $0.owns(endpoint) }) else {
            strayByteCounts[endpoint, default: 0] += datagram.count
            return .stray
        }
        let link = Link(host, to, isVersion6: endpoint.address.isVersion6)
        sentCounts[link, default: 0] += 1
        guard to != host, !cut.contains(link), !attachments[to].isBlocked else { return .lost }
        return .passes(link, source: source)
    }

    /// Whether a burst of loss takes the next datagram of a link; `random` decides.
    mutating func isInBurst(_ link: Link, random: UInt64) -> Bool {
        guard faults.burstPerMille > 0 else {
            bursts[link] = nil
            return false
        }
        if let left = bursts[link], left > 0 {
            bursts[link] = left - 1
            return true
        }
        guard random % 1000 < faults.burstPerMille else { return false }
        bursts[link] = (random >> 32) % max(faults.burstCountMax, 1)
        return true
    }

    /// When a datagram arrives that needs `delayMilliseconds` by itself.
    mutating func arrival(_ link: Link, delayMilliseconds: UInt64, at now: Instant) -> Instant {
        let own = now.advanced(
            milliseconds: (delays[link] ?? faults.delayMilliseconds)
                + delayMilliseconds - faults.delayMilliseconds)
        guard faults.jitterMilliseconds == 0 else { return own }
        let arrival = max(own, lastArrivals[link] ?? .zero)
        lastArrivals[link] = arrival
        return arrival
    }

    // MARK: - What the oracle asks

    /// Whether datagrams get through both ways between two hosts, by any version of IP: the best path is direct then.
    public func directPathPossible(_ one: Int, _ other: Int) -> Bool {
        guard !attachments[one].isBlocked, !attachments[other].isBlocked, !dropsFrames else { return false }
        return [false, true].contains { isVersion6 in
            (isVersion6 || canBePassed(one, other)) && attachments[one].endpoint(isVersion6: isVersion6) != nil
                && attachments[other].endpoint(isVersion6: isVersion6) != nil
                && !cut.contains(Link(one, other, isVersion6: isVersion6))
                && !cut.contains(Link(other, one, isVersion6: isVersion6))
        }
    }

    /// Whether the translators before two hosts, if there are any, can be got through: unless one gives each destination a
    /// port at random, and the other a port of its own too.
    private func canBePassed(_ one: Int, _ other: Int) -> Bool {
        let dependent = [one, other].compactMap { attachments[$0].translator?.kind }.filter {
            $0.mapping != .independent
        }
        guard opensSockets else { return dependent.isEmpty }
        return dependent.count < 2 || dependent.allSatisfy { $0.ports == .sequential }
    }

    /// Keeps the books of a datagram that is sent. Returns whether its receiver's address gets more bytes than came
    /// from it, though nothing is proven of it.
    mutating func overdraws(_ byteCount: Int, to endpoint: Endpoint, from host: Int) -> Bool {
        let hearing = Hearing(host: host, endpoint: endpoint)
        guard !named.contains(endpoint), !namedTranslators.contains(endpoint.address), roundTrips[hearing] == nil else {
            return false
        }
        credits[hearing, default: 0] -= byteCount
        return credits[hearing, default: 0] < 0
    }

    /// Keeps the books of a datagram that arrives.
    mutating func arrived(_ datagram: Simulation.Datagram, at host: Int, _ now: Instant) {
        let hearing = Hearing(host: host, endpoint: datagram.source)
        credits[hearing, default: 0] += datagram.bytes.count
        guard let sender = datagram.sender else { return }
        if let there = reached[hearing], there.host == sender, there.at <= datagram.sentAt {
            roundTrips[hearing] = sender
        }
        let back = Hearing(host: sender, endpoint: datagram.destination)
        if reached[back]?.host != host { reached[back] = (host, now) }
    }
}
