internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// Which path a peer's records take: proven addresses, the one in use, and what people and policies want.
///
///     relay (or direct WebSocket) --an address is proven--> direct --suspect--> direct, and copies by relay
///        ^                                                    |  ^                 |          |
///        |      by choice, after the relay answered a ping    |  +--- answered ----+          | dead
///        +----------------------------------------------------+<------------------------------+
///
/// Direct UDP comes before direct WebSocket, and that before the relay. Among addresses the lower round trip counts, if
/// it is lower by 20 % and 5 ms; IPv6 is worth 3 ms. The peer's own address of IPv4 comes before one that a translator gives it, as
/// between neighbours of one network, if its round trip is not longer by 3 ms.
struct PeerPaths: Sendable {
    private static let hysteresisNanosecondsMin: UInt64 = 5_000_000
    private static let version6BonusNanoseconds: UInt64 = 3_000_000
    /// More than a translator's hairpin costs, and less than what makes an address be left.
    private static let ownAddressBonusNanoseconds: UInt64 = 3_000_000
    /// What a record adds to the TAP's MTU at most: an Ethernet header (14) and a superframe's slice, or a tag of 802.1Q (4)
    /// more and a frame, which is a byte less. With an MTU of 1,400 an Ethernet of 1,500 still carries it over IPv6.
    static let recordOverheadByteCount = max(
        14 + Session.superframeOverheadByteCount, 14 + 4 + Session.frameOverheadByteCount)
    /// A path that died this soon after it was taken is blocked for a while, longer each time.
    private static let shortLifeMilliseconds: UInt64 = 10_000
    private static let blockedMillisecondsMin: UInt64 = 5_000
    private static let blockedMillisecondsMax: UInt64 = 600_000
    /// A path that loses frames and answers polls would be taken again at once.
    private static let missingFramesBlockedMilliseconds: UInt64 = 60_000
    /// The pair's relay channel closes this long after both sides left it: what was under way has arrived.
    static let relayGraceMilliseconds: UInt64 = 1_000
    private static let nameRetryMilliseconds: UInt64 = 1_000
    private static let nameRetryMillisecondsMax: UInt64 = 30_000
    private static let relayPingMilliseconds: UInt64 = 500

    /// The session whose keys proved the addresses, by its local index; 0 for none.
    private(set) var sessionIndex: UInt32 = 0
    /// The path of the frames; its generation is the session's.
    var current: CarrierID?
    private(set) var currentSince = Instant.zero
    private(set) var liveness: PathLiveness?
    private(set) var prober: PathProber?
    /// Bytes of the longest record that the UDP path in use carries; `nil` while another path is in use. Kept here
    /// because each frame asks for it.
    private(set) var recordByteCountMax: Int?
    private var shortLives: UInt64 = 0
    /// What a person wants.
    var wish = PathWish.automatic
    /// A ping by relay before the frames follow it by choice: the peer must not be closing the channel.
    private var relayPing: (identifier: UInt64, carrier: CarrierID, sentAt: Instant)?
    private(set) var confirmedRelay: CarrierID?
    /// A ping by the path that is to take over from one in doubt.
    private var alternativePing: (identifier: UInt64, carrier: CarrierID)?
    /// Which other path was opened, or carried a ping and its answer, since the one in use is in doubt.
    private(set) var aliveAlternative: CarrierID?
    private var nameAt: Instant?
    private var nameGapMilliseconds = nameRetryMilliseconds
    /// When the pair's relay channel was last opened or used.
    var relayUsedAt = Instant.zero

    /// The datagram address in use.
    var currentEndpoint: Endpoint? {
        if case .udp(let endpoint) = current { endpoint } else { nil }
    }

    /// Whether the path in use goes straight to the peer.
    var isOnDirect: Bool { current.map { !$0.isRelay } ?? false }

    /// Forgets what the keys of an earlier session proved.
    mutating func begin(sessionIndex: UInt32, prober: PathProber?, at now: Instant) {
        self.sessionIndex = sessionIndex
        self.prober = prober
        current = nil
        liveness = nil
        // Another session's keys have proven no address yet.
        if case .address = wish { wish = .automatic }
        confirmedRelay = nil
        relayPing = nil
        self.prober?.start(at: now)
        noteRecordSize()
    }

    // MARK: - Choice

    /// Whether direct paths may be used.
    var isDirectAllowed: Bool { wish != .relay }

    /// Whether frames go by `carrier` because a person wants it.
    func isWished(_ carrier: CarrierID) -> Bool {
        switch (wish, carrier) {
        case (.relay, .relay): true
        case (.address(let wanted), .udp(let endpoint)): wanted == endpoint
        default: false
        }
    }

    /// Whether a wish for an address is over: an attempt ended and it is not proven. Then it is forgotten.
    mutating func dropsVainWish(at now: Instant) -> Endpoint? {
        guard case .address(let wanted) = wish, wanted != currentEndpoint, let prober, !prober.isAttempting,
            !prober.usable(at: now).contains(where: { $0.endpoint == wanted })
        else { return nil }
        wish = .automatic
        return wanted
    }

    /// The best address now; the one in use is left only for a clearly better one.
    func bestEndpoint(at now: Instant) -> Endpoint? {
        guard isDirectAllowed, let prober else { return nil }
        var usable = prober.usable(at: now)
        if let current = currentEndpoint, prober.isValid(current), !usable.contains(where: { $0.endpoint == current }) {
            usable.append((current, prober.roundTripNanoseconds(of: current)))
        }
        if case .address(let wanted) = wish, usable.contains(where: { $0.endpoint == wanted }) { return wanted }
        func cost(_ path: (endpoint: Endpoint, roundTripNanoseconds: UInt64)) -> UInt64 {
            let bonus = path.endpoint.address.isVersion6 ? Self.version6BonusNanoseconds : 0
            return path.roundTripNanoseconds > bonus ? path.roundTripNanoseconds - bonus : 0
        }
        guard let best = usable.min(by: { cost($0) < cost($1) }) else { return nil }
        guard let kept = usable.first(where: { $0.endpoint == currentEndpoint }) else { return best.endpoint }
        let own = usable.filter { prober.isOwnVersion4($0.endpoint) }.min { cost($0) < cost($1) }
        if let own, !kept.endpoint.address.isVersion6, !prober.isOwnVersion4(kept.endpoint),
            own.roundTripNanoseconds <= kept.roundTripNanoseconds + Self.ownAddressBonusNanoseconds
        {
            return own.endpoint
        }
        let gain = cost(kept) - cost(best)
        return gain >= max(cost(kept) / 5, Self.hysteresisNanosecondsMin) ? best.endpoint : kept.endpoint
    }

    /// Frames go by `carrier` from now on; `connectionRoundTripNanoseconds` is what is known of a connection.
    mutating func moved(to carrier: CarrierID?, connectionRoundTripNanoseconds: UInt64 = 0, at now: Instant) {
        let firstNumber = liveness?.followingNumber ?? 1
        current = carrier
        currentSince = now
        relayUsedAt = now
        relayPing = nil
        confirmedRelay = nil
        if let endpoint = currentEndpoint {
            liveness = PathLiveness(
                roundTripNanoseconds: prober?.roundTripNanoseconds(of: endpoint) ?? 0, firstNumber: firstNumber)
            prober?.succeeded()
        } else if isOnDirect, prober != nil {
            liveness = PathLiveness(
                roundTripNanoseconds: connectionRoundTripNanoseconds, firstNumber: firstNumber, isStream: true)
        } else {
            liveness = nil
        }
        noteRecordSize()
    }

    private mutating func noteRecordSize() {
        recordByteCountMax = currentEndpoint.flatMap { prober?.recordByteCountMax(to: $0) }
    }

    /// The direct path in use is dead: it has to be proven again. Returns for how many milliseconds it should not be
    /// used.
    mutating func currentDied(at now: Instant) -> UInt64 {
        if let endpoint = currentEndpoint, wish == .address(endpoint) { wish = .automatic }
        let isShort = now.milliseconds(since: currentSince) < Self.shortLifeMilliseconds
        shortLives = isShort ? shortLives + 1 : 0
        var blocked: UInt64 = 0
        if isShort { blocked = min(Self.blockedMillisecondsMin << min(shortLives, 7), Self.blockedMillisecondsMax) }
        if liveness?.suspicion?.reason == .framesMissing {
            blocked = max(blocked, Self.missingFramesBlockedMilliseconds << min(shortLives, 3))
        }
        if let endpoint = currentEndpoint {
            prober?.invalidate(endpoint, blockedMilliseconds: blocked, at: now)
        }
        prober?.proveAnew(at: now)
        noteRecordSize()
        return blocked
    }

    /// Whether the relay should be ready to take over: either side doubts the direct path, or it is not wanted.
    var wantsRelay: Bool {
        guard isOnDirect, let liveness else { return false }
        return liveness.suspicion != nil || liveness.isRemoteInDoubt || !isDirectAllowed
    }

    // MARK: - Relay

    /// Whether to name the peer to the relays again now.
    mutating func mayName(at now: Instant) -> Bool {
        if let nameAt, now < nameAt { return false }
        nameAt = now.advanced(milliseconds: nameGapMilliseconds)
        nameGapMilliseconds = min(nameGapMilliseconds * 2, Self.nameRetryMillisecondsMax)
        return true
    }

    /// When the peer may be named again.
    var nameDeadline: Instant? { nameAt }

    mutating func relayOpened(at now: Instant) {
        relayUsedAt = now
        nameAt = nil
        nameGapMilliseconds = Self.nameRetryMilliseconds
        liveness?.check(at: now)
    }

    /// The identifier of a ping to send by `relay` now, before frames follow it by choice; `nil` when one is under way.
    mutating func pingRelay(_ relay: CarrierID, entropy: inout EntropySource, at now: Instant) -> UInt64? {
        if let relayPing, relayPing.carrier == relay,
            now < relayPing.sentAt.advanced(milliseconds: Self.relayPingMilliseconds)
        {
            return nil
        }
        let identifier = entropy.next()
        relayPing = (identifier, relay, now)
        return identifier
    }

    /// There is no relay to ask, or nothing to leave.
    mutating func cancelRelayPing() {
        relayPing = nil
        confirmedRelay = nil
    }

    mutating func ponged(_ identifier: UInt64) {
        if let relayPing, relayPing.identifier == identifier { confirmedRelay = relayPing.carrier }
        if let alternativePing, alternativePing.identifier == identifier { aliveAlternative = alternativePing.carrier }
    }

    var relayPingDeadline: Instant? {
        guard confirmedRelay == nil, !isDirectAllowed, isOnDirect else { return nil }
        return relayPing?.sentAt.advanced(milliseconds: Self.relayPingMilliseconds)
    }

    // MARK: - The path that is to take over

    /// The path in use has fallen into doubt: what was known of the others is of the time before.
    mutating func doubted() {
        alternativePing = nil
        aliveAlternative = nil
    }

    /// The identifier of a ping to send by `carrier` now; `nil` when it was asked, or need not be.
    mutating func pingAlternative(_ carrier: CarrierID, entropy: inout EntropySource) -> UInt64? {
        guard aliveAlternative != carrier, alternativePing?.carrier != carrier else { return nil }
        let identifier = entropy.next()
        alternativePing = (identifier, carrier)
        return identifier
    }

    mutating func alternativeOpened(_ carrier: CarrierID) { aliveAlternative = carrier }

    mutating func alternativeClosed(_ carrier: CarrierID) {
        if aliveAlternative == carrier { aliveAlternative = nil }
        if alternativePing?.carrier == carrier { alternativePing = nil }
    }

    // MARK: - Parts

    /// Changes the liveness of the path in use.
    mutating func updateLiveness<Result>(_ body: (inout PathLiveness) -> Result) -> Result? {
        guard liveness != nil else { return nil }
        return liveness.map { value in
            var changed = value
            defer { liveness = changed }
            return body(&changed)
        }
    }

    /// Changes the prober.
    mutating func updateProber(_ body: (inout PathProber) -> Void) {
        guard var changed = prober else { return }
        prober = nil
        body(&changed)
        prober = changed
        noteRecordSize()
    }

    /// A valid record came by the path in use.
    mutating func heard() { liveness?.heard() }

    /// The peer sent something by relay that shows its own choice.
    mutating func relayUsed(at now: Instant) {
        relayUsedAt = now
        if liveness?.suspicion == nil { liveness?.check(at: now) }
    }

    /// A frame goes out by the path in use.
    mutating func frameSent(recordByteCount: Int, at now: Instant) {
        liveness?.frameSent(recordByteCount: recordByteCount, at: now)
    }

    /// When something is due, by itself.
    func deadline(hasAlternative: Bool) -> Instant? {
        [prober?.deadline, liveness?.deadline(hasAlternative: hasAlternative), relayPingDeadline].compactMap(\.self)
            .min()
    }
}
