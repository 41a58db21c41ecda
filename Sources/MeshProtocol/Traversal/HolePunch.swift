package import MeshBase
package import MeshCrypto
package import MeshWire

/// Opens a way through translators that give each destination a port of its own (RFC 4787: address and port-dependent
/// mapping; "symmetric").
///
/// The side behind such a translator asks (PUNCH), the other one sprays:
///
///     idle --no UDP path--> patient (1 s) --+--random ports---------> asked --+--a record by one of the sockets--> resting
///      ^                       ^            |                          ^      |
///      |                       |            +--regular--> measuring ---+      +--10 s--> resting (10 s, doubling to 10 min)
///      +-- a UDP path is used, |                          (0.6 s)                           |
///          from any state      +------------------------------------------------------------+
///
///     quiet --PUNCH of the peer--> spraying --a record came from there; all were tried; a UDP path is used--> quiet
///
/// Random ports: the asking side sends from 256 further sockets to the one address of the peer, so that 256 of its 64,512
/// ports lead to it, for that address only; the peer tries ports at random. Regular ports: a further socket measures what
/// port is next, 16 further ones take those that follow, and the peer tries 64 in a row. Where both sides' ports are
/// regular, both measure, ask, and spray from their own sockets in the same order: the n-th port of one side is then
/// mapped for the n-th port of the other.
package struct HolePunch: Sendable {
    /// Challenges at 0, 100, 300 and 700 ms have been answered by then, if anything can be had without more.
    private static let patienceMilliseconds: UInt64 = 1_000
    /// As long as the driver takes to say that nobody answered, and a little more.
    private static let measureMilliseconds: UInt64 = 600
    /// Spraying takes 8 s.
    private static let attemptMilliseconds: UInt64 = 10_000
    private static let restMilliseconds: UInt64 = 10_000
    private static let restMillisecondsMax: UInt64 = 600_000
    /// With `probesMax` random ports, 0.04 % of attempts fail: (1 - 256/64,512)^2,000; with 84 and 720, which others use,
    /// 39 % do. Translators at home hold some thousands of mappings.
    private static let socketsMax = 256
    private static let probesMax: UInt16 = 2_000
    /// More than others open in the time between measuring and taking them.
    private static let regularSocketsMax = 16
    private static let regularProbesMax: UInt16 = 64
    /// 250 a second, 22 KB: nothing that a line or a translator would notice.
    private static let gapMilliseconds: UInt64 = 8
    private static let probesPerStep = 2
    /// Less than two requests of the other side are apart; doubled with each in vain, as it does.
    private static let sprayGapMilliseconds: UInt64 = 8_000
    /// Below are ports of services, which translators do not give out.
    private static let lowestPort: UInt16 = 1_024

    /// What a step asks for.
    package enum Step: Hashable, Sendable {
        case ask(PunchRequest)
        case reset
        case measure
        case open(socket: Int, Endpoint)
        case opened(Endpoint)
        case probe(Endpoint)
        /// The peer can be reached at an address that it asked to try: it need not pay for challenges.
        case found(Endpoint)
        case finish(isOpen: Bool)
    }

    /// How often the peer has had addresses tried in vain, and when it may again.
    package struct SprayLimit: Sendable {
        fileprivate var sprays: UInt64 = 0
        fileprivate var allowedAt = Instant.zero

        /// A limit that nothing was counted to.
        package init() {}
    }

    private enum Asking: Sendable {
        case idle
        case patient(until: Instant)
        case measuring(target: Endpoint?, until: Instant)
        /// `target`: where sockets send; `nil`: the ports of both sides are regular, and this side sprays.
        case asked(target: Endpoint?, opened: Int, of: Int, next: Instant?, until: Instant)
        case resting(until: Instant)
    }

    private struct Spray: Sendable {
        let request: PunchRequest
        var count = 0
        var ports: Set<UInt16> = []
        /// When to try the next ports; `distantFuture`: all were tried.
        var next: Instant
    }

    private var asking = Asking.idle
    private var spray: Spray?
    /// The request of a peer whose ports are regular, as this side's, until this side has measured its own.
    private var waiting: PunchRequest?
    private var failures: UInt64 = 0
    /// How often the peer may have addresses tried; outlives the session, or a peer would ask anew with each handshake.
    package private(set) var sprayLimit: SprayLimit
    private var isDirect = false
    private var local = PortMapping.unknown
    private var remote = PortMapping.unknown

    /// Makes a machine that waits; `sprayLimit`: of the machine for the same peer before.
    package init(sprayLimit: SprayLimit = SprayLimit()) { self.sprayLimit = sprayLimit }

    // MARK: - Events

    /// Whether a UDP path is in use now.
    package mutating func update(isDirect: Bool, at now: Instant) {
        self.isDirect = isDirect
        if isDirect {
            failures = 0
            sprayLimit = SprayLimit()
            spray = nil
            waiting = nil
            if case .asked = asking { return }
            asking = .idle
        } else if case .idle = asking {
            asking = .patient(until: now.advanced(milliseconds: Self.patienceMilliseconds))
        }
    }

    /// This host's network changed: what failed before may work now.
    package mutating func networkChanged(at now: Instant) {
        failures = 0
        sprayLimit = SprayLimit()
        if case .resting = asking { asking = .patient(until: now.advanced(milliseconds: Self.patienceMilliseconds)) }
    }

    /// How both sides' ports are mapped, as they name them.
    package mutating func update(local: PortMapping, remote: PortMapping) {
        self.local = local
        self.remote = remote
    }

    /// A further socket was seen at `endpoint`; `nil`: nobody told.
    package mutating func measured(
        _ endpoint: Endpoint?, roundTripNanoseconds: UInt64, at now: Instant, steps: inout [Step]
    ) {
        guard case .measuring(let target, _) = asking else { return }
        guard let endpoint, endpoint.port < .max else { return fail(at: now, steps: &steps) }
        let first = Endpoint(address: endpoint.address, port: endpoint.port + 1)
        let request = PunchRequest(first: first, step: 1, portsMax: Self.regularProbesMax)
        ask(
            request, target: target, sockets: target == nil ? 0 : Self.regularSocketsMax,
            roundTripNanoseconds: roundTripNanoseconds, at: now, steps: &steps)
        if let request = waiting.take() { spray = Spray(request: request, next: now) }
    }

    /// The peer asks for challenges to ports of its address. `isNamed`: it is the address of one that the peer named.
    package mutating func received(
        _ request: PunchRequest, isNamed: Bool, at now: Instant, steps: inout [Step]
    ) {
        guard isNamed, !isDirect, spray?.next ?? .distantFuture == .distantFuture, now >= sprayLimit.allowedAt,
            !request.first.address.isVersion6
        else { return }
        let gap = min(Self.sprayGapMilliseconds << min(sprayLimit.sprays, 7), Self.restMillisecondsMax)
        sprayLimit.allowedAt = now.advanced(milliseconds: gap)
        sprayLimit.sprays += 1
        if case .regular = local, case .regular = remote {
            switch asking {
            case .asked: spray = Spray(request: request, next: now)
            case .measuring: waiting = request
            case .idle, .patient, .resting:
                waiting = request
                begin(at: now, roundTripNanoseconds: 0, steps: &steps)
            }
        } else {
            spray = Spray(request: request, next: now)
        }
    }

    /// An authentic record came by UDP from an address other than that of the path in use.
    package mutating func heard(from endpoint: Endpoint, at now: Instant, steps: inout [Step]) {
        if let current = spray, current.request.first.address == endpoint.address, current.ports.contains(endpoint.port)
        {
            spray = nil
            steps.append(.found(endpoint))
        }
        guard case .asked(let target, _, _, _, _) = asking, target == nil || target == endpoint else { return }
        if target != nil { steps.append(.opened(endpoint)) }
        steps.append(.finish(isOpen: true))
        // What was opened is proven next; if that fails, the next attempt comes as after any other.
        asking = .resting(until: now.advanced(milliseconds: rest))
    }

    private var rest: UInt64 { min(Self.restMilliseconds << min(failures, 6), Self.restMillisecondsMax) }

    private mutating func fail(at now: Instant, steps: inout [Step]) {
        steps.append(.finish(isOpen: isDirect))
        waiting = nil
        // Another way was found meanwhile.
        guard !isDirect else { return asking = .idle }
        asking = .resting(until: now.advanced(milliseconds: rest))
        failures += 1
    }

    // MARK: - Time

    /// When to call `timedOut`.
    package var deadline: Instant? {
        let due: Instant? =
            switch asking {
            case .idle: nil
            case .patient(let until), .measuring(_, let until), .resting(let until): until
            case .asked(_, _, _, let next, let until): next.map { min($0, until) } ?? until
            }
        guard let spray, spray.next != .distantFuture else { return due }
        return due.map { min($0, spray.next) } ?? spray.next
    }

    /// Does what is due. `roundTripNanoseconds`: that of the relay.
    package mutating func timedOut(
        roundTripNanoseconds: UInt64, entropy: inout EntropySource, at now: Instant, steps: inout [Step]
    ) {
        switch asking {
        case .patient(let until), .resting(let until):
            if now >= until { begin(at: now, roundTripNanoseconds: roundTripNanoseconds, steps: &steps) }
        case .measuring(_, let until): if now >= until { fail(at: now, steps: &steps) }
        case .asked(_, _, _, _, let until) where now >= until: fail(at: now, steps: &steps)
        case .asked(let target?, let opened, let count, let next?, let until) where now >= next:
            let end = min(opened + Self.probesPerStep, count)
            for socket in opened..<end { steps.append(.open(socket: socket, target)) }
            let later = now.advanced(milliseconds: Self.gapMilliseconds)
            asking = .asked(target: target, opened: end, of: count, next: end < count ? later : nil, until: until)
        case .idle, .asked: break
        }
        if let due = spray?.next, now >= due { probe(entropy: &entropy, at: now, steps: &steps) }
    }

    /// Begins an attempt, if this side has anything to ask for.
    private mutating func begin(at now: Instant, roundTripNanoseconds: UInt64, steps: inout [Step]) {
        switch (local, remote) {
        case _ where isDirect: asking = .idle
        case (.random(let address), .independent(let target)):
            steps.append(.reset)
            let request = PunchRequest(
                first: Endpoint(address: address, port: Self.lowestPort), step: 0, portsMax: Self.probesMax)
            ask(
                request, target: target, sockets: Self.socketsMax, roundTripNanoseconds: roundTripNanoseconds, at: now,
                steps: &steps)
        case (.regular, .independent(let target)): measure(target: target, at: now, steps: &steps)
        case (.regular, .regular): measure(target: nil, at: now, steps: &steps)
        default:
            // Nothing to be done with what is known now; relays may tell more later.
            waiting = nil
            asking = .resting(until: now.advanced(milliseconds: Self.restMilliseconds))
        }
    }

    private mutating func measure(target: Endpoint?, at now: Instant, steps: inout [Step]) {
        steps.append(.reset)
        steps.append(.measure)
        asking = .measuring(target: target, until: now.advanced(milliseconds: Self.measureMilliseconds))
    }

    /// Asks, and begins itself when the request has come to the peer: half a round trip later.
    private mutating func ask(
        _ request: PunchRequest, target: Endpoint?, sockets: Int, roundTripNanoseconds: UInt64, at now: Instant,
        steps: inout [Step]
    ) {
        steps.append(.ask(request))
        asking = .asked(
            target: target, opened: 0, of: sockets,
            next: target == nil ? nil : now.advanced(nanoseconds: roundTripNanoseconds / 2),
            until: now.advanced(milliseconds: Self.attemptMilliseconds))
    }

    /// Sends to the next ports of the peer.
    private mutating func probe(entropy: inout EntropySource, at now: Instant, steps: inout [Step]) {
        guard var current = spray.take() else { return }
        let request = current.request
        let count = Int(min(request.portsMax, request.step == 0 ? Self.probesMax : Self.regularProbesMax))
        for _ in 0..<Self.probesPerStep where current.count < count {
            guard let port = Self.port(current, entropy: &entropy) else { return }
            current.count += 1
            guard port >= Self.lowestPort, current.ports.insert(port).inserted else { continue }
            steps.append(.probe(Endpoint(address: request.first.address, port: port)))
        }
        guard current.count < count else {
            // The last ones are under way; who answers them is still known.
            current.next = .distantFuture
            return spray = current
        }
        current.next = now.advanced(milliseconds: Self.gapMilliseconds)
        spray = current
    }

    /// The next port of a spray; `nil` when there is none.
    private static func port(_ spray: Spray, entropy: inout EntropySource) -> UInt16? {
        let first = max(spray.request.first.port, lowestPort)
        guard spray.request.step == 0 else {
            return UInt16(exactly: Int(spray.request.first.port) + spray.count * Int(spray.request.step))
        }
        for _ in 0..<8 {
            let port = first + UInt16(truncatingIfNeeded: entropy.number(below: UInt64(UInt16.max - first) + 1))
            if !spray.ports.contains(port) { return port }
        }
        return nil
    }
}

extension Instant {
    fileprivate static let distantFuture = Instant(nanoseconds: .max)
}
