internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// Looks for addresses at which a peer can be reached directly.
///
///     idle --session, addresses change--> attempting (5 s) --an address answered--> idle
///                                          ^   | none answered: failed
///                    peer challenges,      |   v
///                    addresses change, or  +-- waiting (60 s; after 5 failures doubling to 10 min)
///                    the time has come
///
/// One address:
///
///     challenged after 0, 100, 300, 700, 1,500, 3,100 ms --answer from it, at the base size--> valid
///                                                                         its record size is searched (PathSizeSearch)
///
/// An address that the peer did not name is learned from what it sends, and gets no more bytes than came from it until
/// it has answered: whoever forges a source cannot aim this node at anyone. One that the peer named is challenged on the
/// peer's word.
struct PathProber: Sendable {
    /// DESIGN section 13.
    private static let attemptMilliseconds: UInt64 = 5_000
    private static let retryMilliseconds: UInt64 = 60_000
    private static let retryMillisecondsMax: UInt64 = 600_000
    private static let quickFailuresMax: UInt64 = 5
    /// The first gap; each next one is twice as long, but for the second (0, 100, 200, 400, 800 ms ...).
    static let gapMillisecondsMin: UInt64 = 100
    static let challengesMax = 6
    /// Addresses learned from what came; one for each network address translator on the way, and room for its moods.
    private static let learnedMax = 8
    /// Answers may come this late; older challenges are forgotten.
    static let outstandingMax = 6
    /// Challenges a second, of all addresses together, after a burst: a list of junk neither floods a network nor keeps a
    /// good address among 16 waiting.
    static let challengesPerSecond: UInt64 = 40
    private static let challengesBurst: UInt64 = 16
    /// A valid address of which nothing was heard for this long is proven again before it is used: a translator may
    /// have forgotten it (RFC 4787 REQ-5 allows 2 minutes, many take 30 s).
    static let freshMilliseconds: UInt64 = 30_000

    private enum State: Sendable {
        case idle
        case attempting(until: Instant)
        case waiting(until: Instant)
    }

    private var state = State.idle
    var targets: [Target] = []
    private var nextPathID: UInt32 = 1
    private var failures: UInt64 = 0
    var pace = TokenBucket(perSecond: challengesPerSecond, burst: challengesBurst)
    /// When the pace allows the next challenge.
    var pacedUntil: Instant?
    private(set) var lastFailure: DirectAttemptFailure?
    /// Bytes of a record that carries the largest frame, as far as this node can send it.
    private let largestRecordByteCount: Int
    /// Bytes of the record of a challenge that proves an address.
    let recordByteCount: Int
    private let allowsLoopback: Bool

    init(largestRecordByteCount: Int, allowsLoopback: Bool) {
        self.largestRecordByteCount = largestRecordByteCount
        recordByteCount = min(largestRecordByteCount, PathSizeSearch.baseByteCount)
        self.allowsLoopback = allowsLoopback
    }

    /// What a step asks for.
    enum Step: Sendable {
        case challenge(Endpoint, PathChallenge)
        case answer(Endpoint, PathAnswer)
        case validated(Endpoint, roundTripNanoseconds: UInt64)
        /// Longer records than before get there.
        case sized(Endpoint, recordByteCount: Int)
        case failed(DirectAttemptFailure)
    }

    // MARK: - Addresses

    /// The peer's list of addresses. Returns whether it differs from the one before.
    mutating func name(_ candidates: [Candidate], current: Endpoint? = nil) -> Bool {
        var endpoints: [Endpoint] = []
        var sources: [Endpoint: Candidate.Source] = [:]
        for candidate in candidates.prefix(SessionParameters.candidatesMax)
        where candidate.transport == .udp && candidate.endpoint.isUsable(allowsLoopback: allowsLoopback) {
            if sources[candidate.endpoint] == nil { endpoints.append(candidate.endpoint) }
            sources[candidate.endpoint] = sources[candidate.endpoint] ?? candidate.source
        }
        guard Set(endpoints) != Set(targets.lazy.filter(\.isNamed).map(\.endpoint)) else { return false }
        // The one in use stays known though the peer names it no more, until it is dead.
        targets.removeAll { $0.isNamed && $0.endpoint != current && !endpoints.contains($0.endpoint) }
        for place in targets.indices { targets[place].source = sources[targets[place].endpoint] }
        for endpoint in endpoints where !targets.contains(where: { $0.endpoint == endpoint }) {
            add(endpoint, source: sources[endpoint])
        }
        return true
    }

    /// Whether the peer names an address of version 4 as one of its own interfaces.
    func isOwnVersion4(_ endpoint: Endpoint) -> Bool {
        !endpoint.address.isVersion6
            && targets.contains { $0.endpoint == endpoint && $0.source == .interface }
    }

    private mutating func add(_ endpoint: Endpoint, source: Candidate.Source?) {
        targets.append(
            Target(
                endpoint: endpoint, pathID: nextPathID, source: source,
                size: PathSizeSearch(largestByteCount: largestRecordByteCount)))
        nextPathID &+= 1
    }

    /// The place of the address that an authentic record came from, learned if need be.
    private mutating func place(of endpoint: Endpoint) -> Int? {
        if let known = targets.firstIndex(where: { $0.endpoint == endpoint }) { return known }
        guard endpoint.isUsable(allowsLoopback: allowsLoopback) else { return nil }
        let learned = targets.indices.filter { !targets[$0].isNamed }
        if learned.count >= Self.learnedMax {
            guard let oldest = learned.first(where: { targets[$0].validAt == nil }) ?? learned.first else { return nil }
            targets.remove(at: oldest)
        }
        add(endpoint, source: nil)
        return targets.count - 1
    }

    // MARK: - Attempts

    /// Starts anew with all addresses: a new session, or addresses or the network changed.
    mutating func start(at now: Instant) {
        failures = 0
        begin(at: now)
    }

    /// The network changed: what was proven before says nothing of it now. The address in use is asked by polls.
    mutating func distrust(except current: Endpoint?) {
        for place in targets.indices where targets[place].endpoint != current {
            targets[place].validAt = nil
            targets[place].size.reset()
        }
    }

    private mutating func begin(at now: Instant) {
        state = .attempting(until: now.advanced(milliseconds: Self.attemptMilliseconds))
        for place in targets.indices { expectAnswer(place, at: now) }
    }

    private mutating func expectAnswer(_ place: Int, at now: Instant) {
        targets[place].sentCount = 0
        targets[place].nextAt = now
        // Also of one that is valid: since then the network may have changed, or a translator have forgotten it.
        targets[place].isProvenAnew = false
    }

    /// A person wants this address, though it may be blocked. Returns whether it is known.
    mutating func prove(_ endpoint: Endpoint, at now: Instant) -> Bool {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint }) else { return false }
        targets[place].blockedUntil = nil
        state = .attempting(until: now.advanced(milliseconds: Self.attemptMilliseconds))
        expectAnswer(place, at: now)
        return true
    }

    /// The path in use is in doubt or dead. The others may be as well, however lately they answered: they are asked again,
    /// so that frames do not move from one dead path to the next.
    mutating func proveAnew(at now: Instant) { begin(at: now) }

    /// The path to `endpoint` is dead, or too bad to be used for `blockedMilliseconds`. Of the others those stay proven that
    /// answered since it was in doubt.
    mutating func invalidate(_ endpoint: Endpoint, blockedMilliseconds: UInt64, at now: Instant) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint }) else { return }
        targets[place].validAt = nil
        targets[place].outstanding = []
        targets[place].wasChallenged = false
        targets[place].credit = 0
        targets[place].size.reset()
        for other in targets.indices where !targets[other].isProvenAnew {
            targets[other].validAt = nil
            targets[other].size.reset()
        }
        if blockedMilliseconds > 0 {
            targets[place].blockedUntil = now.advanced(milliseconds: blockedMilliseconds)
            targets[place].isDoubted = true
        }
    }

    /// A direct path is in use: nothing has to be tried again until it is lost.
    mutating func succeeded() {
        failures = 0
        lastFailure = nil
        if case .waiting = state { state = .idle }
    }

    // MARK: - Records

    /// Any authentic record came from an address.
    mutating func received(byteCount: Int, from endpoint: Endpoint, at now: Instant) {
        guard let place = place(of: endpoint) else { return }
        if targets[place].validAt != nil {
            targets[place].validAt = now
            return
        }
        guard !targets[place].isNamed else { return }
        // No more than a few challenges' worth is saved up.
        targets[place].credit = min(targets[place].credit + byteCount, 4 * recordByteCount)
        if targets[place].sentCount == 0, targets[place].nextAt == nil { targets[place].nextAt = now }
        // A translator on the way changed the peer's address: prove the new one before the old one is missed.
        if case .idle = state, targets[place].nextAt != nil, targets[place].credit >= recordByteCount {
            state = .attempting(until: now.advanced(milliseconds: Self.attemptMilliseconds))
        }
    }

    /// A challenge came. Call `received(byteCount:from:at:)` before.
    mutating func received(
        _ challenge: PathChallenge, byteCount: Int, from endpoint: Endpoint, at now: Instant, steps: inout [Step]
    ) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint }) else { return }
        if !targets[place].wasChallenged { targets[place].size.repeatProbe(at: now) }
        targets[place].wasChallenged = true
        let answer = PathAnswer(challenge, observed: endpoint)
        guard targets[place].validAt == nil else { return steps.append(.answer(endpoint, answer)) }
        let isFree = targets[place].isNamed
        // Every second one of an unproven address pays for a challenge of our own, else the peer's side alone would
        // ever be proven.
        let mayAnswer = isFree || !targets[place].hasAnsweredLast && targets[place].credit >= byteCount
        if mayAnswer {
            if !isFree { targets[place].credit -= byteCount }
            steps.append(.answer(endpoint, answer))
        }
        targets[place].hasAnsweredLast = mayAnswer
        if case .waiting = state { begin(at: now) }
        if case .idle = state { state = .attempting(until: now.advanced(milliseconds: Self.attemptMilliseconds)) }
        if targets[place].sentCount == 0 || targets[place].nextAt == nil {
            targets[place].sentCount = 0
            targets[place].nextAt = now
        }
    }

    /// An answer came from an address.
    mutating func received(
        _ answer: PathAnswer, byteCount: Int, from endpoint: Endpoint, at now: Instant, steps: inout [Step]
    ) {
        guard let place = targets.firstIndex(where: { $0.endpoint == endpoint && $0.pathID == answer.pathID }),
            let sent = targets[place].outstanding.first(where: { $0.challenge == answer.challenge }),
            byteCount >= sent.byteCount
        else { return }
        targets[place].outstanding.removeAll { $0.challenge == answer.challenge }
        targets[place].roundTripNanoseconds = now.nanoseconds(since: sent.sentAt)
        let wasValid = targets[place].validAt != nil
        targets[place].validAt = now
        targets[place].isProvenAnew = true
        if targets[place].blockedUntil == nil { targets[place].isDoubted = false }
        targets[place].answeredAt = now
        let isLarger = targets[place].size.proved(sent.byteCount, at: now)
        if !wasValid {
            steps.append(.validated(endpoint, roundTripNanoseconds: targets[place].roundTripNanoseconds))
        } else if isLarger {
            steps.append(.sized(endpoint, recordByteCount: sent.byteCount))
        }
    }

    // MARK: - Views

    /// Whether addresses are being challenged.
    var isAttempting: Bool { if case .attempting = state { true } else { false } }

    /// When the next attempt begins by itself; `nil` when none is planned.
    var nextAttemptAt: Instant? { if case .waiting(let until) = state { until } else { nil } }

    /// Whether records may be sent to the address.
    func isValid(_ endpoint: Endpoint) -> Bool {
        targets.contains { $0.endpoint == endpoint && $0.validAt != nil }
    }

    /// The round trip of the address's last challenge, in nanoseconds.
    func roundTripNanoseconds(of endpoint: Endpoint) -> UInt64 {
        targets.first { $0.endpoint == endpoint }?.roundTripNanoseconds ?? 0
    }

    /// Addresses that were proven lately and are not blocked.
    func usable(at now: Instant) -> [(endpoint: Endpoint, roundTripNanoseconds: UInt64)] {
        targets.compactMap { target in
            guard let validAt = target.validAt, now < validAt.advanced(milliseconds: Self.freshMilliseconds),
                !target.isDoubted
            else { return nil }
            return (target.endpoint, target.roundTripNanoseconds)
        }
    }

    /// Whether an address other than `current` answered a challenge after `start` and may be used.
    func hasAlternative(to current: Endpoint, since start: Instant, at now: Instant) -> Bool {
        let usable = usable(at: now)
        return targets.contains { target in
            guard target.endpoint != current, let answeredAt = target.answeredAt else { return false }
            return answeredAt > start && usable.contains { $0.endpoint == target.endpoint }
        }
    }

    /// All addresses, for people.
    func status(current: Endpoint?, at now: Instant) -> [PathCandidateStatus] {
        targets.map { target in
            let state: PathCandidateStatus.State =
                if target.endpoint == current {
                    .inUse
                } else if let until = target.blockedUntil, now < until {
                    .blocked
                } else if target.validAt != nil {
                    .valid
                } else if case .attempting = self.state {
                    .probing
                } else {
                    .unanswered
                }
            return PathCandidateStatus(
                endpoint: target.endpoint, transport: .udp, source: target.source, state: state,
                roundTripNanoseconds: target.validAt == nil ? nil : target.roundTripNanoseconds,
                recordByteCountMax: target.validAt == nil ? nil : target.size.provenByteCount)
        }
    }

    // MARK: - Time

    /// When to call `timedOut`.
    var deadline: Instant? {
        var result: Instant?
        var next: Instant?
        for place in targets.indices {
            if let due = targets[place].size.deadline { result = min(result ?? due, due) }
            if let due = targets[place].blockedUntil { result = min(result ?? due, due) }
            if let due = targets[place].nextAt { next = min(next ?? due, due) }
        }
        switch state {
        case .idle: return result
        case .waiting(let until): return min(result ?? until, until)
        case .attempting(let until):
            let attempt = next.map { min(until, max($0, pacedUntil ?? $0)) } ?? until
            return min(result ?? attempt, attempt)
        }
    }

    /// Blocks that are over: what was proven before them has to be proven again.
    private mutating func unblock(at now: Instant) {
        let over = targets.indices.filter { targets[$0].blockedUntil.map { now >= $0 } ?? false }
        guard !over.isEmpty else { return }
        for place in over {
            targets[place].blockedUntil = nil
            expectAnswer(place, at: now)
        }
        state = .attempting(until: now.advanced(milliseconds: Self.attemptMilliseconds))
    }

    /// Sends the challenges that are due and ends attempts. `isDirect` says whether a direct path is in use, `current`
    /// which address.
    mutating func timedOut(
        isDirect: Bool, current: Endpoint?, entropy: inout EntropySource, at now: Instant, steps: inout [Step]
    ) {
        unblock(at: now)
        for place in targets.indices {
            probeSize(place, current: current, entropy: &entropy, at: now, steps: &steps)
        }
        if case .waiting(let until) = state {
            guard now >= until else { return }
            begin(at: now)
        }
        guard case .attempting(let until) = state else { return }
        pacedUntil = nil
        // Those challenged least come first, learned ones before named: the peer does send from there.
        let order = targets.indices.sorted {
            (targets[$0].sentCount, targets[$0].isNamed ? 1 : 0, $0)
                < (targets[$1].sentCount, targets[$1].isNamed ? 1 : 0, $1)
        }
        for place in order { challenge(place, entropy: &entropy, at: now, steps: &steps) }
        guard now >= until else { return }
        for place in targets.indices { targets[place].nextAt = nil }
        guard !isDirect else { return state = .idle }
        let failure: DirectAttemptFailure =
            if targets.isEmpty {
                .noAddresses
            } else if targets.contains(where: { $0.validAt != nil }) {
                .unreliable
            } else {
                .noAnswer
            }
        failures += 1
        lastFailure = failure
        steps.append(.failed(failure))
        let doublings = failures > Self.quickFailuresMax ? min(failures - Self.quickFailuresMax, 4) : 0
        let wait = min(Self.retryMilliseconds << doublings, Self.retryMillisecondsMax)
        state = .waiting(until: now.advanced(milliseconds: wait))
    }
}
