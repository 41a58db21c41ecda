public import MeshBase

/// Has the gateway of this host's network forward a UDP port of its address to the node's socket, by PCP (RFC 6887),
/// NAT-PMP (RFC 6886) or UPnP, and keeps it up until it is released.
///
///     surveying --PCP answers; 0.4 s and another does; 1.5 s--> requesting --granted--> mapped --half the lease, 10 min--+
///       ^  ^                      | nothing answers              |   ^ |                 | release                        |
///       |  +--------- 10 min ---- resting <--all ways in vain----+   | +--refused, 2 s: the next way                      |
///       |                                                            +------------------+---------------------------------+
///
/// Nothing but what the gateway's own address answers is looked at. There is one request under way at a time, and one
/// mapping.
public struct PortMapper: Sendable {
    private enum Stage: Sendable {
        case surveying(sent: Int, next: Instant?)
        case requesting(Method, sent: Int, next: Instant?, until: Instant)
        case mapped(renewsAt: Instant)
        case resting(until: Instant)
        case releasing(until: Instant)
        case over
    }

    /// What a TCP exchange with the gateway is about.
    private enum Topic: Sendable {
        case description(GatewayURL)
        case address
        case add(port: UInt16, lifetimeSeconds: UInt32)
        case delete
    }

    private struct Mapping: Sendable {
        var method: Method
        var external: Endpoint
    }

    /// As others ask for (Tailscale): two hours, of which none is meant to be used up.
    private static let lifetimeSeconds: UInt32 = 7_200
    /// A gateway that grants less than a minute would be asked all the time; one that grants more is asked as often.
    private static let lifetimeSecondsMin: UInt32 = 60
    /// A gateway that restarts forgets, and its port is missed until then.
    private static let renewalMillisecondsMax: UInt64 = 600_000
    /// Datagrams to a gateway hardly get lost; one that is asleep wakes up.
    private static let resendMilliseconds: [UInt64] = [250, 500]
    /// PCP has answered by then, if it is spoken.
    private static let preferenceMilliseconds: UInt64 = 400
    /// Searches are answered within 1 s, and the description follows.
    private static let surveyMilliseconds: UInt64 = 1_500
    /// Also longer than an exchange.
    private static let requestMilliseconds: UInt64 = 2_500
    private static let releaseMilliseconds: UInt64 = 500
    private static let restMilliseconds: UInt64 = 600_000
    /// Ports that others may have (UPnP's error 718), tried one after the other.
    private static let conflictsMax = 4

    let configuration: Configuration
    private var surveyBegan: Instant
    private var stage: Stage
    private var available: Set<Method> = []
    /// Ways that failed since the last success.
    private var failed: Set<Method> = []
    private var isSurveyed = false
    private var natPMPAddress: IPAddress?
    private var upnpURL: GatewayURL?
    private var upnp: UPnPGateway?
    private var upnpAddress: IPAddress?
    private var conflicts = 0
    private var exchange: (number: Int, topic: Topic)?
    private var exchangeCount = 0
    private var mapping: Mapping?
    /// Datagrams and answers that were not the gateway's, or made no sense.
    public private(set) var ignoredCount: UInt64 = 0

    /// Begins with a survey; call `timedOut` at once.
    public init(_ configuration: Configuration, at now: Instant) {
        self.configuration = configuration
        surveyBegan = now
        stage = .surveying(sent: 0, next: now)
    }

    // MARK: - Events

    /// A datagram came to the mapper's socket.
    public mutating func received(
        _ bytes: [UInt8], from source: Endpoint, at now: Instant, actions: inout [Action]
    ) {
        guard source.address == configuration.gateway else { return ignoredCount += 1 }
        if source.port != NATPMPMessage.port {
            found(bytes, at: now, actions: &actions)
        } else if bytes.first == PCPMessage.version, let answer = try? PCPMessage.answer(bytes) {
            answered(answer, at: now, actions: &actions)
        } else if bytes.first == NATPMPMessage.version, let answer = try? NATPMPMessage.answer(bytes) {
            answered(answer, at: now, actions: &actions)
        } else {
            ignoredCount += 1
        }
        choose(at: now, actions: &actions)
    }

    private mutating func answered(_ answer: PCPMessage.Answer, at now: Instant, actions: inout [Action]) {
        switch (answer, stage) {
        case (.announce, _): available.insert(.pcp)
        case (.mapping(configuration.nonce, configuration.port, let external, let lifetime), .requesting(.pcp, _, _, _)):
            granted(.pcp, external, lifetimeSeconds: lifetime, at: now, actions: &actions)
        case (.mapping(configuration.nonce, configuration.port, _, 0), .releasing): released(&actions)
        case (.refused(1, _), .requesting(.pcp, _, _, _)): fail(.pcp, at: now, actions: &actions)
        default: ignoredCount += 1
        }
    }

    private mutating func answered(_ answer: NATPMPMessage.Answer, at now: Instant, actions: inout [Action]) {
        switch (answer, stage) {
        case (.address(let address), _):
            available.insert(.natPMP)
            natPMPAddress = address
        case (.mapping(configuration.port, let port, let lifetime), .requesting(.natPMP, _, _, _)):
            guard let address = natPMPAddress else { return }
            let external = Endpoint(address: address, port: port)
            granted(.natPMP, external, lifetimeSeconds: lifetime, at: now, actions: &actions)
        case (.mapping(configuration.port, _, 0), .releasing): released(&actions)
        case (.refused(1, _), .requesting(.natPMP, _, _, _)): fail(.natPMP, at: now, actions: &actions)
        default: ignoredCount += 1
        }
    }

    private mutating func found(_ bytes: [UInt8], at now: Instant, actions: inout [Action]) {
        guard upnpURL == nil, !isOver, let url = UPnPGateway.location(bytes, of: configuration.gateway) else {
            return ignoredCount += 1
        }
        upnpURL = url
        ask(.description(url), url.endpoint, UPnPGateway.descriptionRequest(url), &actions)
    }

    /// What came of an exchange; `nil`: nothing.
    public mutating func exchanged(_ number: Int, _ bytes: [UInt8]?, at now: Instant, actions: inout [Action]) {
        guard let (current, topic) = exchange, current == number else { return }
        exchange = nil
        let answer = bytes.flatMap { GatewayHTTPAnswer($0) }
        switch topic {
        case .description(let url):
            guard let answer, answer.status == 200 else { break }
            upnp = UPnPGateway(description: answer.body, at: url)
            if let upnp { ask(.address, upnp.endpoint, upnp.addressRequest(), &actions) }
        case .address:
            upnpAddress = answer.flatMap(UPnPGateway.externalAddress)
            if upnpAddress != nil { available.insert(.upnp) }
            if case .requesting(.upnp, _, _, _) = stage { addByUPnP(at: now, &actions) }
        case .add(let port, let lifetime): added(answer, port, lifetime, at: now, actions: &actions)
        case .delete: if case .releasing = stage { released(&actions) }
        }
        choose(at: now, actions: &actions)
    }

    // MARK: - Asking

    private mutating func ask(_ topic: Topic, _ endpoint: Endpoint, _ request: [UInt8], _ actions: inout [Action]) {
        exchangeCount += 1
        exchange = (exchangeCount, topic)
        actions.append(.exchange(exchangeCount, with: endpoint, request))
    }

    private var port5351: Endpoint { Endpoint(address: configuration.gateway, port: NATPMPMessage.port) }

    private func survey(_ actions: inout [Action]) {
        if !available.contains(.pcp) {
            actions.append(.send(PCPMessage.announceRequest(client: configuration.local), to: port5351))
        }
        if !available.contains(.natPMP) { actions.append(.send(NATPMPMessage.addressRequest, to: port5351)) }
        guard upnpURL == nil else { return }
        actions.append(.send(UPnPGateway.search, to: UPnPGateway.multicast))
        actions.append(.send(UPnPGateway.search, to: Endpoint(address: configuration.gateway, port: 1900)))
    }

    /// Asks for the port by datagram; with lifetime 0 gives it back.
    private func sendRequest(_ method: Method, lifetimeSeconds: UInt32, _ actions: inout [Action]) {
        switch method {
        case .pcp:
            let request = PCPMessage.mapRequest(
                client: configuration.local, nonce: configuration.nonce, internalPort: configuration.port,
                external: mapping?.external, lifetimeSeconds: lifetimeSeconds)
            actions.append(.send(request, to: port5351))
        case .natPMP:
            // Whose address may have changed since.
            if lifetimeSeconds > 0 { actions.append(.send(NATPMPMessage.addressRequest, to: port5351)) }
            let port = lifetimeSeconds > 0 ? mapping?.external.port ?? configuration.port : 0
            let request = NATPMPMessage.mapRequest(
                internalPort: configuration.port, externalPort: port, lifetimeSeconds: lifetimeSeconds)
            actions.append(.send(request, to: port5351))
        case .upnp: break
        }
    }

    private mutating func addByUPnP(at now: Instant, _ actions: inout [Action]) {
        guard upnpAddress != nil else { return fail(.upnp, at: now, actions: &actions) }
        add(port: mapping?.external.port ?? configuration.port, lifetimeSeconds: Self.lifetimeSeconds, &actions)
    }

    private mutating func add(port: UInt16, lifetimeSeconds: UInt32, _ actions: inout [Action]) {
        guard let upnp else { return }
        let request = upnp.addRequest(
            client: configuration.local, internalPort: configuration.port, externalPort: port,
            lifetimeSeconds: lifetimeSeconds)
        ask(.add(port: port, lifetimeSeconds: lifetimeSeconds), upnp.endpoint, request, &actions)
    }

    private mutating func added(
        _ answer: GatewayHTTPAnswer?, _ port: UInt16, _ lifetime: UInt32, at now: Instant, actions: inout [Action]
    ) {
        guard case .requesting(.upnp, _, _, _) = stage else { return }
        guard let answer, let address = upnpAddress else { return fail(.upnp, at: now, actions: &actions) }
        switch UPnPGateway.refusal(answer) {
        case nil:
            let external = Endpoint(address: address, port: port)
            granted(.upnp, external, lifetimeSeconds: Self.lifetimeSeconds, at: now, actions: &actions)
        case 725 where lifetime > 0: add(port: port, lifetimeSeconds: 0, &actions)
        case 718 where conflicts < Self.conflictsMax:
            // Somebody else's: one of the 32,768 highest instead.
            conflicts += 1
            let bytes = configuration.nonce
            let other = UInt16(bytes[2 * conflicts]) << 8 | UInt16(bytes[2 * conflicts + 1]) | 0x8000
            add(port: other, lifetimeSeconds: lifetime, &actions)
        default: fail(.upnp, at: now, actions: &actions)
        }
    }

    // MARK: - What comes of it

    private mutating func granted(
        _ method: Method, _ external: Endpoint, lifetimeSeconds: UInt32, at now: Instant, actions: inout [Action]
    ) {
        guard external.port != 0, external.address.isReachableFromOtherHosts, lifetimeSeconds > 0 else {
            return fail(method, at: now, actions: &actions)
        }
        let lifetime = min(max(lifetimeSeconds, Self.lifetimeSecondsMin), Self.lifetimeSeconds)
        failed = []
        conflicts = 0
        let renewal = min(UInt64(lifetime) * 500, Self.renewalMillisecondsMax)
        stage = .mapped(renewsAt: now.advanced(milliseconds: renewal))
        let isNew = mapping?.external != external || mapping?.method != method
        mapping = Mapping(method: method, external: external)
        if isNew { actions.append(.mapped(external, method, lifetimeSeconds: lifetime)) }
    }

    private mutating func fail(_ method: Method, at now: Instant, actions: inout [Action]) {
        failed.insert(method)
        request(at: now, actions: &actions)
    }

    /// Ways that answered, and have not failed.
    private var hopeful: Set<Method> { available.subtracting(failed) }

    /// Asks by the best way that has not failed.
    private mutating func request(at now: Instant, actions: inout [Action]) {
        guard let method = hopeful.min() else {
            // Others may still answer.
            if now < surveyEnd, available.count < Method.allCases.count {
                return stage = .surveying(sent: Self.resendMilliseconds.count, next: nil)
            }
            failed = []
            if mapping != nil { actions.append(.unmapped) }
            mapping = nil
            return stage = .resting(until: now.advanced(milliseconds: Self.restMilliseconds))
        }
        let until = now.advanced(milliseconds: Self.requestMilliseconds)
        if method == .upnp, let upnp {
            stage = .requesting(method, sent: 1, next: nil, until: until)
            return ask(.address, upnp.endpoint, upnp.addressRequest(), &actions)
        }
        sendRequest(method, lifetimeSeconds: Self.lifetimeSeconds, &actions)
        stage = .requesting(method, sent: 1, next: Self.resend(after: 0, at: now), until: until)
    }

    private var isOver: Bool {
        switch stage {
        case .releasing, .over: true
        case .surveying, .requesting, .mapped, .resting: false
        }
    }

    /// Ends the survey when enough is known.
    private mutating func choose(at now: Instant, actions: inout [Action]) {
        guard case .surveying = stage else { return }
        let elapsed = now.milliseconds(since: surveyBegan)
        let isAll = available.count == Method.allCases.count
        let isEnough =
            !configuration.isSurvey
            && (hopeful.contains(.pcp) || !hopeful.isEmpty && elapsed >= Self.preferenceMilliseconds)
        guard isAll || isEnough || now >= surveyEnd else { return }
        if !isSurveyed { actions.append(.surveyed(available)) }
        isSurveyed = true
        if configuration.isSurvey { stage = .over } else { request(at: now, actions: &actions) }
    }

    private var surveyEnd: Instant { surveyBegan.advanced(milliseconds: Self.surveyMilliseconds) }

    /// What was there before may have changed: everything is asked anew.
    private mutating func restart(at now: Instant, actions: inout [Action]) {
        available = []
        (natPMPAddress, upnpURL, upnp, upnpAddress, exchange) = (nil, nil, nil, nil, nil)
        surveyBegan = now
        stage = .surveying(sent: 0, next: now)
        timedOut(at: now, actions: &actions)
    }

    // MARK: - Time

    /// When to call `timedOut`; `nil`: never.
    public var deadline: Instant? {
        switch stage {
        case .surveying(_, let next):
            let preference = surveyBegan.advanced(milliseconds: Self.preferenceMilliseconds)
            let isWaiting = !configuration.isSurvey && !hopeful.isEmpty
            return [next, isWaiting ? preference : nil, surveyEnd].compactMap(\.self).min()
        case .requesting(_, _, let next, let until): return next.map { min($0, until) } ?? until
        case .mapped(let at): return at
        case .resting(let until), .releasing(let until): return until
        case .over: return nil
        }
    }

    /// Does what is due.
    public mutating func timedOut(at now: Instant, actions: inout [Action]) {
        switch stage {
        case .surveying(let sent, let next?) where now >= next:
            survey(&actions)
            let later = Self.resend(after: sent, at: now)
            stage = .surveying(sent: sent + 1, next: later)
            choose(at: now, actions: &actions)
        case .surveying: choose(at: now, actions: &actions)
        case .requesting(let method, _, _, let until) where now >= until: fail(method, at: now, actions: &actions)
        case .requesting(let method, let sent, let next?, let until) where now >= next:
            sendRequest(method, lifetimeSeconds: Self.lifetimeSeconds, &actions)
            let later = Self.resend(after: sent, at: now)
            stage = .requesting(method, sent: sent + 1, next: later, until: until)
        case .mapped(let at): if now >= at { request(at: now, actions: &actions) }
        case .resting(let until): if now >= until { restart(at: now, actions: &actions) }
        case .releasing(let until): if now >= until { released(&actions) }
        case .requesting, .over: break
        }
    }

    private static func resend(after sent: Int, at now: Instant) -> Instant? {
        sent < resendMilliseconds.count ? now.advanced(milliseconds: resendMilliseconds[sent]) : nil
    }

    // MARK: - The end

    /// Gives the mapping back; `released` follows within 0.5 s.
    public mutating func release(at now: Instant, actions: inout [Action]) {
        guard !isOver else { return }
        exchange = nil
        guard let mapping else { return released(&actions) }
        stage = .releasing(until: now.advanced(milliseconds: Self.releaseMilliseconds))
        if mapping.method == .upnp, let upnp {
            ask(.delete, upnp.endpoint, upnp.deleteRequest(externalPort: mapping.external.port), &actions)
        } else {
            sendRequest(mapping.method, lifetimeSeconds: 0, &actions)
        }
    }

    private mutating func released(_ actions: inout [Action]) {
        mapping = nil
        stage = .over
        actions.append(.released)
    }
}
