internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// WebSocket connections straight to one peer, for networks that drop UDP, and the attempts to open them.
///
///     idle --session, addresses change--> waiting (1 s, for UDP) --no direct path yet--> opening (5 s)
///      ^                                     ^                                           ^ |   |
///      |                                     +-- 60 s; after 5 failures to 10 min -------|-+   |
///      |                                                  the peer opens, at once -------+     |
///      +----------------------------- a direct path is in use ---------------------------------+
///
/// One connection:
///
///     open --PATH_CHALLENGE--> challenged --its PATH_ANSWER--> proven --nobody's path for a while--> closed
///                                  |  5 s without an answer
///                                  +--------------------------------------------------------------> closed
///
/// The challenge makes the connection a path of a session that exists; no handshake is run for it.
struct PeerConnections: Sendable {
    /// The same times as with UDP (DESIGN section 13).
    private static let attemptMilliseconds: UInt64 = 5_000
    private static let retryMilliseconds: UInt64 = 60_000
    private static let retryMillisecondsMax: UInt64 = 600_000
    private static let quickFailuresMax: UInt64 = 5
    /// UDP comes first: on most networks it has answered by then, and TCP costs its users head-of-line blocking.
    private static let headStartMilliseconds: UInt64 = 1_000
    /// A connection that answers its challenge no sooner is of no use.
    private static let proofMilliseconds: UInt64 = 5_000
    /// Those of one attempt, in both directions.
    private static let connectionsMax = 2 * ConnectionTarget.countMax

    private struct Connection: Sendable {
        let number: UInt64
        let pathID: UInt32
        var openedAt: Instant
        var challenge: UInt64?
        var isProven = false
        var roundTripNanoseconds: UInt64 = 0
        /// When something came by it last.
        var usedAt: Instant
    }

    private enum State: Sendable {
        case idle
        case waiting(until: Instant)
        case opening(until: Instant)
    }

    private var state = State.idle
    private var targets: [ConnectionTarget] = []
    /// How the peer learned of its addresses.
    private var sources: [Endpoint: Candidate.Source] = [:]
    private var connections: [Connection] = []
    private var nextPathID: UInt32 = 1
    private var failures: UInt64 = 0
    /// Why the last attempt failed; `nil` after a success.
    private(set) var lastFailure: DirectAttemptFailure?
    private let opensConnections: Bool
    private let allowsLoopback: Bool

    init(opensConnections: Bool, allowsLoopback: Bool) {
        self.opensConnections = opensConnections
        self.allowsLoopback = allowsLoopback
    }

    /// What a step asks for.
    enum Step: Sendable {
        /// Try to connect to these addresses until told to stop.
        case open([ConnectionTarget])
        case stop
        /// Let the peer begin at the same time.
        case tellPeer
        case failed(DirectAttemptFailure)
        case challenge(UInt64, PathChallenge)
        case proven(UInt64, roundTripNanoseconds: UInt64)
        case close(UInt64)
    }

    // MARK: - Attempts

    /// The peer's list of addresses. Returns whether it differs from the one before.
    mutating func name(_ candidates: [Candidate]) -> Bool {
        let named = ConnectionTarget.targets(in: candidates, allowsLoopback: allowsLoopback)
        guard named != targets else { return false }
        targets = named
        sources = [:]
        for candidate in candidates.prefix(SessionParameters.candidatesMax) where candidate.transport == .webSocket {
            sources[candidate.endpoint] = sources[candidate.endpoint] ?? candidate.source
        }
        return true
    }

    /// Starts anew: a new session, or addresses or the network changed.
    mutating func start(at now: Instant) {
        failures = 0
        retry(at: now)
    }

    /// Starts an attempt, behind UDP, unless one is under way.
    mutating func retry(at now: Instant) {
        guard opensConnections else { return }
        if case .opening = state { return }
        state = .waiting(until: now.advanced(milliseconds: Self.headStartMilliseconds))
    }

    /// The connection in use is dead and none is tried for `blockedMilliseconds`.
    mutating func died(blockedMilliseconds: UInt64, at now: Instant) {
        guard opensConnections else { return }
        let wait = max(blockedMilliseconds, Self.headStartMilliseconds)
        state = .waiting(until: now.advanced(milliseconds: wait))
    }

    /// The peer opens connections now.
    mutating func peerOpens(isDirect: Bool, at now: Instant, steps: inout [Step]) {
        guard opensConnections, !isDirect, !targets.isEmpty else { return }
        if case .opening = state { return }
        open(at: now, steps: &steps)
    }

    private mutating func open(at now: Instant, steps: inout [Step]) {
        state = .opening(until: now.advanced(milliseconds: Self.attemptMilliseconds))
        steps.append(.open(targets))
    }

    /// A direct path is in use, or none is wanted: no more is tried.
    mutating func settled(steps: inout [Step]) {
        failures = 0
        lastFailure = nil
        if case .opening = state { steps.append(.stop) }
        state = .idle
    }

    // MARK: - Connections

    /// A connection is there on which the peer may be found. Returns whether it is kept.
    mutating func opened(_ number: UInt64, at now: Instant) -> Bool {
        guard !connections.contains(where: { $0.number == number }) else { return true }
        guard connections.count < Self.connectionsMax else { return false }
        connections.append(Connection(number: number, pathID: nextPathID, openedAt: now, usedAt: now))
        nextPathID &+= 1
        return true
    }

    /// A connection is gone.
    mutating func closed(_ number: UInt64) { connections.removeAll { $0.number == number } }

    /// An authentic record came by a connection.
    mutating func used(_ number: UInt64, at now: Instant) {
        guard let place = connections.firstIndex(where: { $0.number == number }) else { return }
        connections[place].usedAt = now
    }

    /// An answer came by a connection.
    mutating func received(_ answer: PathAnswer, by number: UInt64, at now: Instant, steps: inout [Step]) {
        guard let place = connections.firstIndex(where: { $0.number == number && $0.pathID == answer.pathID }),
            connections[place].challenge == answer.challenge
        else { return }
        connections[place].challenge = nil
        connections[place].isProven = true
        connections[place].roundTripNanoseconds = now.nanoseconds(since: connections[place].openedAt)
        steps.append(.proven(number, roundTripNanoseconds: connections[place].roundTripNanoseconds))
    }

    /// Whether the connection is one of these.
    func isKnown(_ number: UInt64) -> Bool { connections.contains { $0.number == number } }
    /// Whether the peer's answer came by the connection.
    func isProven(_ number: UInt64) -> Bool { connections.contains { $0.number == number && $0.isProven } }
    /// A connection that may be used.
    var proven: UInt64? { connections.first(where: \.isProven)?.number }
    /// The round trip of the connection's challenge, in nanoseconds.
    func roundTripNanoseconds(of number: UInt64) -> UInt64? {
        connections.first { $0.number == number && $0.isProven }?.roundTripNanoseconds
    }
    /// Proven connections by which nothing came since the instant that is told.
    var idleSince: [(number: UInt64, usedAt: Instant)] {
        connections.filter(\.isProven).map { ($0.number, $0.usedAt) }
    }

    /// Forgets all: there is no session. The connections are to be closed.
    func closeAll(steps: inout [Step]) {
        if case .opening = state { steps.append(.stop) }
        for connection in connections { steps.append(.close(connection.number)) }
    }

    // MARK: - For people

    /// The peer's addresses, and those that connections lead to. `current` is the connection in use; `remotes` are the
    /// connections' other ends.
    func status(current: UInt64?, remotes: [UInt64: Endpoint]) -> [PathCandidateStatus] {
        let ends = connections.compactMap { remotes[$0.number] } + [current.flatMap { remotes[$0] }].compactMap(\.self)
        var endpoints = targets.map(\.endpoint)
        for end in ends where !endpoints.contains(end) { endpoints.append(end) }
        return endpoints.map { endpoint in
            let proven = connections.first { $0.isProven && remotes[$0.number] == endpoint }
            let state: PathCandidateStatus.State =
                if let current, remotes[current] == endpoint {
                    .inUse
                } else if proven != nil {
                    .valid
                } else if isOpening || ends.contains(endpoint) {
                    .probing
                } else {
                    failures > 0 ? .unanswered : .untried
                }
            return PathCandidateStatus(
                endpoint: endpoint, transport: .webSocket, source: sources[endpoint], state: state,
                roundTripNanoseconds: proven?.roundTripNanoseconds, recordByteCountMax: nil)
        }
    }

    /// When connections are tried again after a failure; `nil` when that is not planned.
    var nextAttemptAt: Instant? { if failures > 0, case .waiting(let until) = state { until } else { nil } }

    private var isOpening: Bool { if case .opening = state { true } else { false } }

    // MARK: - Time

    /// When to call `timedOut`.
    var deadline: Instant? {
        var result: Instant?
        func consider(_ instant: Instant) { result = min(result ?? instant, instant) }
        switch state {
        case .idle: break
        case .waiting(let until), .opening(let until): consider(until)
        }
        for connection in connections where !connection.isProven {
            let wait = connection.challenge == nil ? 0 : Self.proofMilliseconds
            consider(connection.openedAt.advanced(milliseconds: wait))
        }
        return result
    }

    /// Begins and ends attempts, challenges new connections and closes those that do not answer.
    mutating func timedOut(isDirect: Bool, entropy: inout EntropySource, at now: Instant, steps: inout [Step]) {
        for place in connections.indices.reversed() where !connections[place].isProven {
            if connections[place].challenge == nil {
                let challenge = PathChallenge(
                    pathID: connections[place].pathID, challenge: entropy.next(),
                    contentByteCount: PathChallenge.contentByteCountMin)
                connections[place].challenge = challenge.challenge
                connections[place].openedAt = now
                steps.append(.challenge(connections[place].number, challenge))
            } else if now >= connections[place].openedAt.advanced(milliseconds: Self.proofMilliseconds) {
                steps.append(.close(connections[place].number))
                connections.remove(at: place)
            }
        }
        switch state {
        case .waiting(let until) where now >= until:
            guard !isDirect, !targets.isEmpty else { return state = .idle }
            steps.append(.tellPeer)
            open(at: now, steps: &steps)
        case .opening(let until) where now >= until:
            steps.append(.stop)
            failures += 1
            lastFailure = .noConnection
            steps.append(.failed(.noConnection))
            let doublings = failures > Self.quickFailuresMax ? min(failures - Self.quickFailuresMax, 4) : 0
            let wait = min(Self.retryMilliseconds << doublings, Self.retryMillisecondsMax)
            state = .waiting(until: now.advanced(milliseconds: wait))
        case .idle, .waiting, .opening: break
        }
    }
}
