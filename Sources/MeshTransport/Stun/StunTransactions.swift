public import MeshBase

/// Asks STUN servers, on a socket of somebody else's, for the address that they see, and keeps asking: each answer
/// keeps the NAT's mapping alive.
///
/// For each server:
///
///            observe                    answer
///     (none) ───────▶ asking: 0, 0.5, 1.5, 3.5, 7.5 s ───────▶ resting: 25 s ──▶ asking ...
///                            │ 15.5 s without an answer, or refused               ▲
///                            └────────────────────────────────────────────────────┘
///
/// Source: RFC 8489 section 6.2.1, with 5 requests instead of 7, as the round of 39.5 s would outlast the pause between
/// two of them.
public struct StunTransactions: Sendable {
    /// Servers asked at most: every relay a node may be configured with, over both address families.
    public static let serversMax = 32
    /// Pause between an answer and the next request: NATs drop mappings after 30 s and more, in practice
    /// (RFC 4787 section 4.3 demands 2 minutes, RFC 8445 section 11 warns of less and has 15 s for media).
    public static let keepaliveMilliseconds: UInt64 = 25_000
    /// RFC 8489 section 6.2.1: 500 ms at first, doubled each time.
    static let resendMillisecondsFirst: UInt64 = 500
    static let requestsMax = 5

    /// What happened.
    public enum Event: Equatable, Sendable {
        /// A server is to be asked, now and again and again; one that is being asked already is asked anew.
        case observe(Endpoint)
        /// A server is not to be asked any more.
        case forget(Endpoint)
        /// A datagram arrived for which ``StunTransactions/isStun(_:)`` holds.
        case received([UInt8], from: Endpoint)
        /// The ``StunTransactions/deadline`` came.
        case timeout
    }

    /// What is to be done.
    public enum Action: Equatable, Sendable {
        /// Send a datagram.
        case send([UInt8], to: Endpoint)
        /// `server` sees this host's socket as `endpoint`.
        case observed(endpoint: Endpoint, server: Endpoint)
        /// `server` also answers at `endpoint` (OTHER-ADDRESS, RFC 5780 section 7.4).
        case alternative(endpoint: Endpoint, server: Endpoint)
        /// `server` did not tell; it will be asked again.
        case failed(Failure, server: Endpoint)
    }

    /// Why a server did not tell.
    public enum Failure: Error, Equatable, Sendable {
        /// None of the requests was answered.
        case timedOut
        /// The server answered with an error, 300 to 699; 0 when it did not say which.
        case refused(UInt16)
        /// The server answered without an address, or with one that cannot be a host's.
        case addressUseless
        /// There are ``StunTransactions/serversMax`` servers already; this one will not be asked.
        case tooManyServers
    }

    private struct Query: Sendable {
        let server: Endpoint
        var transactionID: [UInt8]
        /// Requests sent in this round; 0: resting.
        var requestCount = 0
        var next: Instant

        mutating func rest(until instant: Instant) {
            requestCount = 0
            next = instant
        }
    }

    private var queries: [Query] = []
    private let random: @Sendable () -> UInt64
    /// STUN messages that are no answer to a request: malformed, late, from elsewhere, or requests.
    public private(set) var ignoredCount: UInt64 = 0

    /// Makes transactions with nobody.
    ///
    /// - Parameter random: Gives 64 random bits that nobody can guess (RFC 8489 section 5: a transaction ID must be
    ///   unpredictable, or anybody could answer for the server).
    public init(random: @escaping @Sendable () -> UInt64) { self.random = random }

    /// Whether a datagram is STUN: two zero bits first, and the magic cookie (RFC 8489 section 5).
    ///
    /// No message of the mesh is: the kinds that travel as datagrams have one of the two bits, and the cookie at byte 4
    /// tells STUN from the others.
    public static func isStun(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= StunMessage.headerByteCount && bytes.bigEndian(at: 0, as: UInt8.self) & 0xC0 == 0
            && bytes.bigEndian(at: 4, as: UInt32.self) == StunMessage.magicCookie
    }

    /// When to handle ``Event/timeout``; `nil`: never.
    public var deadline: Instant? { queries.map(\.next).min() }

    /// The servers being asked.
    public var servers: [Endpoint] { queries.map(\.server) }

    /// Handles what happened; appends what is to be done to `actions`.
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .observe(let server): observe(server, at: now, actions: &actions)
        case .forget(let server): queries.removeAll { $0.server == server }
        case .received(let bytes, let source): received(bytes, from: source, at: now, actions: &actions)
        case .timeout:
            for index in queries.indices where queries[index].next <= now { expire(index, at: now, actions: &actions) }
        }
    }

    private mutating func observe(_ server: Endpoint, at now: Instant, actions: inout [Action]) {
        queries.removeAll { $0.server == server }
        guard queries.count < Self.serversMax else { return actions.append(.failed(.tooManyServers, server: server)) }
        queries.append(Query(server: server, transactionID: [], next: now))
        expire(queries.count - 1, at: now, actions: &actions)
    }

    private mutating func expire(_ index: Int, at now: Instant, actions: inout [Action]) {
        var query = queries[index]
        if query.requestCount == Self.requestsMax {
            query.rest(until: now.advanced(milliseconds: Self.keepaliveMilliseconds))
            actions.append(.failed(.timedOut, server: query.server))
        } else {
            if query.requestCount == 0 { query.transactionID = transactionID() }
            var request = StunMessage(messageClass: .request, transactionID: query.transactionID)
            request.hasFingerprint = true
            actions.append(.send(request.encoded, to: query.server))
            query.next = now.advanced(milliseconds: Self.resendMillisecondsFirst << UInt64(query.requestCount))
            query.requestCount += 1
        }
        queries[index] = query
    }

    private mutating func received(
        _ bytes: [UInt8], from source: Endpoint, at now: Instant, actions: inout [Action]
    ) {
        guard let answer = try? StunMessage.parse(bytes.span.rawBytes), answer.method == StunMessage.bindingMethod,
            answer.messageClass == .success || answer.messageClass == .error,
            let index = queries.firstIndex(where: {
                $0.server == source && $0.requestCount > 0 && $0.transactionID == answer.transactionID
            })
        else {
            ignoredCount += 1
            return
        }
        queries[index].rest(until: now.advanced(milliseconds: Self.keepaliveMilliseconds))
        if answer.messageClass == .error {
            actions.append(.failed(.refused(answer.errorCode ?? 0), server: source))
        } else if let endpoint = answer.mappedEndpoint, endpoint.port != 0, endpoint.isOfAHost,
            answer.notUnderstood.isEmpty
        {
            actions.append(.observed(endpoint: endpoint, server: source))
            if let other = answer.otherAddress, other.port != 0, other.isOfAHost, other != source {
                actions.append(.alternative(endpoint: other, server: source))
            }
        } else {
            // Also for an attribute that must be understood and is not (section 6.3.3).
            actions.append(.failed(.addressUseless, server: source))
        }
    }

    private func transactionID() -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < StunMessage.transactionIDByteCount {
            let word = random()
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return Array(bytes.prefix(StunMessage.transactionIDByteCount))
    }
}

extension Endpoint {
    /// Whether one host can have the address: neither unspecified nor multicast or broadcast. A loopback address is one
    /// where the server is on this host.
    fileprivate var isOfAHost: Bool {
        let bytes = address.unmapped.bytes
        if bytes.count == 4 { return bytes[0] != 0 && bytes[0] < 224 }
        return bytes[0] != 0xFF && bytes.contains { $0 != 0 }
    }
}
