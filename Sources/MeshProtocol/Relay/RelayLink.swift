public import MeshBase
internal import MeshCrypto
public import MeshWire

/// What a relay connection tells people about itself.
public enum RelayLinkEvent: Sendable, Equatable {
    case connecting
    /// TLS and WebSocket are up; proofs come next.
    case connected
    /// The relay proved its identity and accepted this node's.
    case ready(observed: Endpoint)
    /// The connection was lost or could not be made; the text says why.
    case lost(String)
    /// The relay's proof was refused.
    case untrusted(HandshakeFailure)
    /// The relay refused this node.
    case refused(RelayRefusal.Reason)
    /// The relay is about to stop.
    case draining
    /// Another host proved the same identity: this one waits.
    case identityInUseElsewhere
    /// Every peer is reached directly: the connection is closed until one is not.
    case resting
    /// Another relay of the list is in its place.
    case spare
}

/// One of a node's relays.
///
///     waiting --time--> connecting --TLS up--> awaiting challenge --> proving --> awaiting welcome --> ready
///        ^                  |                         |                  |              |               |
///        +------------------+------ lost, refused, untrusted, replaced, not ready after 15 s ----------+
///
///     ready --every peer is direct--> resting --one is not--> waiting (not at all)
///
///     waiting --two failures, and the list is longer--> spare --another one's place--> waiting
///     ready --the others are ready too and some peer is at none of them, 60 s--> spare
///
/// Waits as `ReconnectBackoff` says, but not at all when a path is in doubt or this host's network changed; 60 s when
/// another host uses the same identity.
struct RelayLink: Sendable {
    /// A cloned host must not flap (DESIGN section 10).
    private static let replacedMilliseconds: UInt64 = 60_000
    /// TCP, TLS, upgrade and proofs together.
    private static let setUpMilliseconds: UInt64 = 15_000
    /// A path that flaps, or a network that comes and goes, ends a wait once in this time.
    private static let hurryMilliseconds: UInt64 = 5_000

    enum State: Sendable {
        case waiting(until: Instant)
        case connecting(deadline: Instant)
        case awaitingChallenge(keyHash: [UInt8], nowSeconds: UInt64, deadline: Instant)
        case proving(deadline: Instant)
        case awaitingWelcome(deadline: Instant)
        case ready(Ready)
        case resting
        /// The back-off goes on: it is not tried before.
        case spare(notBefore: Instant)
    }

    struct Ready: Sendable {
        var welcome: RelayWelcome
        var since: Instant
        var peers: [UInt32: PeerID] = [:]
    }

    let id: PeerID
    private let instance: [UInt8]
    private let token: [UInt8]
    private(set) var state: State
    private var backoff = ReconnectBackoff()
    private var isReplaced = false
    private var hurriedAt: Instant?
    /// Since it was last tried after others.
    private var failuresInPlace = 0
    /// Connections tried so far: tells work for an earlier connection from work for this one.
    private(set) var attempt: UInt64 = 0

    init(id: PeerID, instance: [UInt8], token: [UInt8], isSpare: Bool, at now: Instant) {
        self.id = id
        self.instance = instance
        self.token = token
        state = isSpare ? .spare(notBefore: now) : .waiting(until: now)
    }

    var deadline: Instant? {
        switch state {
        case .waiting(let until): until
        case .connecting(let deadline), .awaitingChallenge(_, _, let deadline), .proving(let deadline),
            .awaitingWelcome(let deadline):
            deadline
        case .ready, .resting, .spare: nil
        }
    }

    /// Whether it is to be connected and is not: it was not tried yet, or failed.
    var isWaiting: Bool { if case .waiting = state { true } else { false } }

    var isSpare: Bool { if case .spare = state { true } else { false } }

    /// Whether it is to be tried now, and failed more than once: another relay may have its place.
    func givesWay(at now: Instant) -> Bool {
        if case .waiting(let until) = state { now >= until && failuresInPlace > 1 } else { false }
    }

    /// Gives its place to another relay of the list.
    mutating func leave(at now: Instant) {
        if case .waiting(let until) = state { state = .spare(notBefore: until) } else { state = .spare(notBefore: now) }
    }

    /// Takes the place of another relay.
    mutating func enter(at now: Instant) {
        guard case .spare(let notBefore) = state else { return }
        failuresInPlace = 0
        state = .waiting(until: max(now, notBefore))
    }

    /// Since when the relay is connected; `nil` when it is not.
    var readySince: Instant? { if case .ready(let ready) = state { ready.since } else { nil } }

    /// Whether there is a connection that `rest` would close.
    var canRest: Bool { if case .ready = state { true } else { false } }

    /// Nobody needs the relay. Returns whether its connection is to be closed.
    mutating func rest() -> Bool {
        guard canRest else { return false }
        backoff.reset()
        state = .resting
        return true
    }

    /// Somebody needs the relay: connects at once when it was at rest.
    mutating func wake(at now: Instant) {
        if case .resting = state { state = .waiting(until: now) }
    }

    /// The network changed: an earlier failure says nothing about a connection now, and one that is being made may
    /// wait for an answer to an address that is gone.
    mutating func networkChanged(at now: Instant) {
        switch state {
        case .waiting where !isReplaced, .connecting: state = .waiting(until: now)
        default: break
        }
    }

    /// Somebody needs the relay now, or the network changed: what failed before may succeed.
    mutating func hurry(at now: Instant) {
        guard case .waiting(let until) = state, until > now, !isReplaced else { return }
        if let hurriedAt, now < hurriedAt.advanced(milliseconds: Self.hurryMilliseconds) { return }
        hurriedAt = now
        state = .waiting(until: now)
    }

    /// Channels that are open now.
    var channelCount: Int {
        if case .ready(let ready) = state { ready.peers.count } else { 0 }
    }

    /// What a step of the link asks of the node machine.
    enum Outcome: Sendable {
        case none
        case connect
        case work(Work)
        case ready(RelayWelcome)
        case opened(channel: UInt32, peer: PeerID)
        case closed(channel: UInt32)
        /// Close the connection; the event says why.
        case close(RelayLinkEvent)
        case event(RelayLinkEvent)
    }

    mutating func timedOut(at now: Instant, entropy: inout EntropySource) -> Outcome {
        guard let deadline, now >= deadline else { return .none }
        if case .waiting = state {
            attempt += 1
            isReplaced = false
            state = .connecting(deadline: now.advanced(milliseconds: Self.setUpMilliseconds))
            return .connect
        }
        wait(at: now, entropy: &entropy)
        return .close(.lost("no answer within \(Self.setUpMilliseconds / 1000) s"))
    }

    private mutating func wait(at now: Instant, entropy: inout EntropySource) {
        var openedAt: Instant?
        if case .ready(let ready) = state { openedAt = ready.since }
        failuresInPlace = openedAt == nil ? failuresInPlace + 1 : 1
        state = .waiting(until: backoff.lost(openedAt: openedAt, at: now, entropy: &entropy))
    }

    mutating func connected(keyHash: [UInt8], nowSeconds: UInt64) {
        guard case .connecting(let deadline) = state else { return }
        state = .awaitingChallenge(keyHash: keyHash, nowSeconds: nowSeconds, deadline: deadline)
    }

    mutating func lost(at now: Instant, entropy: inout EntropySource) {
        switch state {
        case .waiting, .resting, .spare: return
        default: wait(at: now, entropy: &entropy)
        }
    }

    mutating func received(
        _ message: RelayMessage, identity: Identity, at now: Instant, entropy: inout EntropySource
    ) -> Outcome {
        switch (state, message) {
        // What was sent on a connection that this node has given up must not shorten or prolong the wait.
        case (.waiting, _), (.connecting, _), (.resting, _), (.spare, _): return .none
        case (.awaitingChallenge(let keyHash, let nowSeconds, let deadline), .challenge(let challenge)):
            state = .proving(deadline: deadline)
            return .work(
                .proveToRelay(
                    ProveToRelay(
                        identity: identity, relay: id, seenKeyHash: keyHash, nowSeconds: nowSeconds,
                        challenge: challenge, instance: instance, token: token)))
        case (.awaitingWelcome, .welcome(let welcome)):
            state = .ready(Ready(welcome: welcome, since: now))
            return .ready(welcome)
        case (.ready(var ready), .channelOpened(let channel, let peer)):
            guard channel != CarrierItem.controlChannel else { break }
            // One channel for each peer, and no more peers than may be named: a relay cannot fill this table.
            for (old, owner) in ready.peers where owner == peer { ready.peers.removeValue(forKey: old) }
            guard ready.peers.count < max(Int(ready.welcome.peersMax), 1) else { break }
            ready.peers[channel] = peer
            state = .ready(ready)
            return .opened(channel: channel, peer: peer)
        case (.ready(var ready), .channelClosed(let channel)):
            guard ready.peers.removeValue(forKey: channel) != nil else { return .none }
            state = .ready(ready)
            return .closed(channel: channel)
        case (.ready, .draining): return .event(.draining)
        case (_, .refused(let refusal)):
            wait(at: now, entropy: &entropy)
            return .close(.refused(refusal.reason))
        case (.ready, .replaced(let instance)):
            // The relay tells us of a new connection with our identity. When that is this very process, which
            // reconnected before the relay saw the old connection die, nothing is wrong.
            if instance == self.instance { return .none }
            isReplaced = true
            state = .waiting(until: now.advanced(milliseconds: Self.replacedMilliseconds))
            return .close(.identityInUseElsewhere)
        default: break
        }
        wait(at: now, entropy: &entropy)
        return .close(.lost("the relay sent a message that has no place here"))
    }

    /// The proof is ready to be sent, or the relay's own was refused.
    mutating func proved(_ result: WorkResult, at now: Instant, entropy: inout EntropySource) -> (Outcome, [UInt8]?) {
        guard case .proving(let deadline) = state else { return (.none, nil) }
        switch result {
        case .relayProof(let bytes):
            state = .awaitingWelcome(deadline: deadline)
            return (.none, bytes)
        case .failed(let failure):
            wait(at: now, entropy: &entropy)
            return (.close(.untrusted(failure)), nil)
        default: return (.none, nil)
        }
    }
}
