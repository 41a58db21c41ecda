public import MeshBase

/// Finds out what the address translators between this node and its relays do (RFC 5780 section 4), with two fresh sockets:
/// one asks all relays, at all their ports and addresses, how they see it; the other asks one relay only, and then to be
/// answered from elsewhere. Neither disturbs what the other one measures. Once all have told how they see the first socket, the
/// second one sends to what they see: if that comes back, the translator hairpins.
///
///     asking (each request after 0, 150 and 400 ms) --all answered, or silent for 0.7 s each; 1.9 s in all--> finished
public struct NATDiscovery: Sendable {
    /// Which of the two sockets.
    public enum Socket: Int, Sendable {
        case mapping = 0, filtering = 1
    }

    /// A binding request.
    public struct Request: Hashable, Sendable {
        /// The socket to send it from.
        public let socket: Socket
        /// Where to.
        public let server: Endpoint
        /// Whether the answer is to come from another address of the server.
        public let changesAddress: Bool
        /// Whether the answer is to come from another port of the server.
        public let changesPort: Bool
        /// Whether `server` is this host's own socket, as relays see it: the request itself is to come there.
        public let isHairpin: Bool
    }

    /// What is to be done.
    public enum Action: Hashable, Sendable {
        /// Send the request of this number; a resend is the same number.
        case send(Int, Request)
        /// All that can be found out is known: the machine is done.
        case finished(NATBehavior)
    }

    private struct Query: Sendable {
        let request: Request
        var sentCount = 0
        var next: Instant
        var endsAt: Instant
        var mapped: Endpoint?
        var isOver: Bool
    }

    /// Relays asked; a node is connected to three at most.
    private static let serversMax = 3
    /// Ports and addresses that relays name besides.
    private static let queriesMax = 12
    private static let resendMilliseconds: [UInt64] = [150, 250]
    private static let silenceMilliseconds: UInt64 = 700
    private static let timeoutMilliseconds: UInt64 = 1_900
    /// To the translator and back, with one request lost.
    private static let hairpinMilliseconds: UInt64 = 300
    /// Between two new mappings of a translator that counts others may open some.
    private static let portStepMax = 16

    private var queries: [Query] = []
    private let endsAt: Instant
    private let localPorts: [UInt16]
    private let localAddresses: Set<IPAddress>
    private var isFinished = false

    /// Begins.
    ///
    /// - Parameters:
    ///   - servers: STUN services of relays, of version 4; the first three count.
    ///   - localPorts: The ports of both sockets, in the order of `Socket`.
    ///   - localAddresses: The addresses of this host.
    public init(
        servers: [Endpoint], localPorts: [UInt16], localAddresses: Set<IPAddress>, at now: Instant
    ) {
        self.localPorts = localPorts
        self.localAddresses = localAddresses
        endsAt = now.advanced(milliseconds: Self.timeoutMilliseconds)
        for server in servers.prefix(Self.serversMax) { ask(.mapping, server, at: now) }
        if let first = servers.first { ask(.filtering, first, at: now) }
    }

    private mutating func ask(
        _ socket: Socket, _ server: Endpoint, changesAddress: Bool = false, changesPort: Bool = false,
        isHairpin: Bool = false, at now: Instant
    ) {
        let request = Request(
            socket: socket, server: server, changesAddress: changesAddress, changesPort: changesPort,
            isHairpin: isHairpin)
        guard queries.count < Self.queriesMax || isHairpin, !queries.contains(where: { $0.request == request }) else {
            return
        }
        queries.append(
            Query(
                request: request, next: now,
                endsAt: now.advanced(milliseconds: isHairpin ? Self.hairpinMilliseconds : Self.silenceMilliseconds),
                isOver: false
            ))
    }

    /// The request of this number was answered: `mapped` is how the server sees the socket, `other` the address and port
    /// it also answers from.
    public mutating func answered(
        _ number: Int, mapped: Endpoint, other: Endpoint?, at now: Instant, actions: inout [Action]
    ) {
        guard !isFinished, queries.indices.contains(number), !queries[number].isOver,
            !queries[number].request.isHairpin
        else { return }
        queries[number].mapped = mapped
        queries[number].isOver = true
        let request = queries[number].request
        if let other, !request.changesPort, !request.changesAddress, !other.address.isVersion6 {
            switch request.socket {
            case .mapping:
                // Only where a relay was asked, not where it answers besides: that would go on for ever.
                guard
                    queries.filter({ $0.request.socket == .mapping }).prefix(Self.serversMax)
                        .contains(where: { $0.request == request })
                else { break }
                ask(.mapping, Endpoint(address: request.server.address, port: other.port), at: now)
                if other.address != request.server.address { ask(.mapping, other, at: now) }
            case .filtering:
                if other.address != request.server.address {
                    ask(.filtering, request.server, changesAddress: true, changesPort: true, at: now)
                }
                ask(.filtering, request.server, changesPort: true, at: now)
            }
        }
        timedOut(at: now, actions: &actions)
    }

    /// The request of this number itself came to a socket of this host.
    public mutating func returned(_ number: Int, to socket: Socket, at now: Instant, actions: inout [Action]) {
        guard !isFinished, queries.indices.contains(number), queries[number].request.isHairpin, socket == .mapping
        else {
            return
        }
        queries[number].mapped = queries[number].request.server
        queries[number].isOver = true
        timedOut(at: now, actions: &actions)
    }

    /// The server refuses the request of this number.
    public mutating func refused(_ number: Int, at now: Instant, actions: inout [Action]) {
        guard !isFinished, queries.indices.contains(number) else { return }
        queries[number].isOver = true
        timedOut(at: now, actions: &actions)
    }

    /// When to call `timedOut`; `nil` when it is done.
    public var deadline: Instant? {
        guard !isFinished else { return nil }
        return queries.lazy.filter { !$0.isOver }.map { min($0.next, $0.endsAt) }.min().map { min($0, endsAt) }
            ?? endsAt
    }

    /// Sends what is due, and gives up what was silent for too long.
    public mutating func timedOut(at now: Instant, actions: inout [Action]) {
        guard !isFinished else { return }
        giveUp(at: now)
        askForHairpin(at: now)
        for number in queries.indices where !queries[number].isOver {
            if now >= queries[number].next {
                actions.append(.send(number, queries[number].request))
                let count = queries[number].sentCount
                queries[number].sentCount += 1
                queries[number].next =
                    count < Self.resendMilliseconds.count
                    ? now.advanced(milliseconds: Self.resendMilliseconds[count]) : queries[number].endsAt
            }
        }
        guard queries.allSatisfy(\.isOver) else { return }
        isFinished = true
        actions.append(.finished(behavior))
    }

    private mutating func giveUp(at now: Instant) {
        for number in queries.indices where now >= queries[number].endsAt || now >= endsAt {
            queries[number].isOver = true
        }
    }

    /// When nothing more is asked by the first socket, sends to it from the second one.
    private mutating func askForHairpin(at now: Instant) {
        let seen = queries.filter { $0.request.socket == .mapping }
        guard now < endsAt, seen.allSatisfy(\.isOver), let mapped = seen.lazy.compactMap(\.mapped).first,
            mapping(self.seen) != .none, !queries.contains(where: \.request.isHairpin)
        else { return }
        ask(.filtering, mapped, isHairpin: true, at: now)
    }

    // MARK: - Findings

    private var behavior: NATBehavior {
        guard queries.contains(where: { $0.mapped != nil }) else { return NATBehavior(isBlocked: !queries.isEmpty) }
        let seen = seen
        let ports = seen.map(\.mapped.port)
        let steps = Set(zip(ports, ports.dropFirst()).map { Int($1) - Int($0) })
        let mapping = mapping(seen)
        let isDependent = mapping == .addressDependent || mapping == .addressAndPortDependent
        let step = steps.count == 1 && isDependent ? steps.first : nil
        return NATBehavior(
            mapping: mapping, filtering: filtering,
            keepsPort: !seen.isEmpty && Set(ports) == [localPorts[Socket.mapping.rawValue]],
            portStep: step.flatMap { abs($0) <= Self.portStepMax ? $0 : nil },
            hairpin: queries.first(where: \.request.isHairpin).map { $0.mapped != nil })
    }

    /// How the first socket was seen, and by whom.
    private var seen: [(server: Endpoint, mapped: Endpoint)] {
        queries.filter { $0.request.socket == .mapping }.compactMap { query in
            query.mapped.map { (server: query.request.server, mapped: $0) }
        }
    }

    private func mapping(_ seen: [(server: Endpoint, mapped: Endpoint)]) -> NATBehavior.Mapping {
        guard let first = seen.first else { return .unknown }
        let isSame = seen.allSatisfy { $0.mapped == first.mapped }
        if isSame, localAddresses.contains(first.mapped.address),
            first.mapped.port == localPorts[Socket.mapping.rawValue]
        {
            return .none
        }
        guard seen.count > 1 else { return .unknown }
        if isSame { return .endpointIndependent }
        let byAddress = Dictionary(grouping: seen, by: \.server.address).values
        let sameAddress = byAddress.filter { $0.count > 1 }
        let differsByPort = sameAddress.contains { pair in pair.contains { $0.mapped != pair[0].mapped } }
        // Without two ports of one relay the finer word cannot be told; hardly any translator deserves it.
        return differsByPort || sameAddress.isEmpty ? .addressAndPortDependent : .addressDependent
    }

    private var filtering: NATBehavior.Filtering {
        let asked = queries.filter { $0.request.socket == .filtering && $0.request.changesPort }
        guard !asked.isEmpty else { return .unknown }
        if asked.contains(where: { $0.request.changesAddress && $0.mapped != nil }) { return .endpointIndependent }
        return asked.contains { $0.mapped != nil } ? .addressDependent : .addressAndPortDependent
    }
}
