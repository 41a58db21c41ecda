internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol

extension PathScenario {
    /// A frame that fills the TAP's MTU of 1,400, with a tag of 802.1Q.
    private static let largeFrameByteCount = 1_418

    /// Plays the scenario. Returns what the oracle found wrong first, with what the nodes said of their paths until then;
    /// throws when the mesh cannot be made.
    public func play(
        identities: Simulation.Identities
    ) throws -> (violation: Simulation.Violation, story: [String])? {
        var world = try makeWorld(identities: identities)
        guard let violation = try violation(in: &world) else { return nil }
        return (violation, world.story)
    }

    private func violation(in world: inout Simulation) throws -> Simulation.Violation? {
        guard world.run(until: \.isMeshed, withinMilliseconds: 10_000, stepMilliseconds: 20) else {
            return .notMeshed
        }
        // Crossing handshakes may still replace a session, and frames of two sessions have no order.
        world.run(milliseconds: 3_000)
        let handshakes = world.establishedCount
        let startedAt = world.now
        try playSteps(&world)
        let endedAt = world.now
        heal(&world)
        if let violation = convergence(&world) { return violation }
        if let violation = world.violations.first { return violation }
        if keepsOrder, let violation = world.overtaken { return violation }
        if let violation = world.unexcusedLoss(keepsOrder: keepsOrder) { return violation }
        if losesNothing, let violation = world.anyLoss { return violation }
        for sender in 0...1 {
            guard let limit = outageMillisecondsMax(from: sender) else { continue }
            let outage = world.outageMilliseconds(from: sender, to: 1 - sender, since: startedAt, until: endedAt)
            guard outage <= limit else { return .outage(milliseconds: outage, limit: limit) }
        }
        guard mayLoseAllPaths || world.establishedCount == handshakes else {
            return .newHandshake(count: world.establishedCount - handshakes)
        }
        return nil
    }

    private func makeWorld(identities: Simulation.Identities) throws -> Simulation {
        var world = try Simulation(
            seed: seed, nodeCount: nodeCount, relayCount: relayDelays.count, identities: identities, isDirect: true,
            opensConnections: opensConnections, afterDirect: afterDirect)
        world.direct?.datagramByteCountMax = datagramByteCountMax
        world.connections?.refusesConnections = refusesConnections
        for (relay, delay) in relayDelays.enumerated() { world.setDelay(ofRelay: relay, milliseconds: delay) }
        world.direct?.delays = delays
        world.direct?.cut = deadLinks
        world.direct?.faults.jitterMilliseconds = 0
        for host in 0..<nodeCount {
            world.attach(host) { attachment in
                if hasVersion6 { attachment.version6 = Attachment.version6Endpoint(of: host, generation: 0) }
                if lacksVersion4 { attachment.version4 = nil }
                if translated.contains(host) {
                    attachment.version4 = Attachment.privateEndpoint(of: host)
                    attachment.translator = Translator(host: host)
                }
            }
            nameAddresses(of: host, &world)
        }
        return world
    }

    private func nameAddresses(of host: Int, _ world: inout Simulation) {
        let now = world.now
        world.attach(host) { $0.observe(at: now) }
        let own = world.direct?.attachments[host].candidates ?? []
        let junk = (0..<junkCount).map { Attachment.endpoint([203, 0, 113, UInt8(truncatingIfNeeded: $0)], 9) }
        world.setCandidates(junk + own, of: host)
    }

    // MARK: - Trouble

    private func playSteps(_ world: inout Simulation) throws {
        var entropy = EntropySource.seeded(seed ^ 0xF00D)
        let start = world.now
        var next = 0
        var isSilent = false
        world.direct?.attack = attack
        if kind == .lossy {
            let delay = world.direct?.faults.delayMilliseconds ?? 0
            world.direct?.faults = faults
            world.direct?.faults.delayMilliseconds = delay
        }
        while world.now < start.advanced(milliseconds: endMilliseconds) {
            let elapsed = world.now.milliseconds(since: start)
            while next < steps.count, steps[next].atMilliseconds <= elapsed {
                if case .silence(let value) = steps[next].step { isSilent = value }
                try perform(steps[next].step, &world)
                next += 1
            }
            if !isSilent {
                for _ in 0..<1 + entropy.number(below: 3) { sendFrame(from: 0, to: 1, &world, &entropy) }
                if entropy.number(below: 2) == 0 { sendFrame(from: 1, to: 0, &world, &entropy) }
                if nodeCount > 2, entropy.number(below: 8) == 0 { sendFrame(from: 2, to: 0, &world, &entropy) }
            }
            world.run(milliseconds: 1 + entropy.number(below: gapMillisecondsMax))
        }
    }

    private func sendFrame(from: Int, to: Int, _ world: inout Simulation, _ entropy: inout EntropySource) {
        let isLarge = entropy.number(below: 1_000) < largeFramePerMille
        _ = world.sendFrame(
            from: from, to: to, byteCount: isLarge ? Self.largeFrameByteCount : Simulation.frameByteCount)
    }

    private func perform(_ step: Step, _ world: inout Simulation) throws {
        switch step {
        case .allowDirect(let isAllowed): world.setDirectAllowed(isAllowed, 0, 1)
        case .nameAddresses(let host): nameAddresses(of: host, &world)
        case .delay(let link, let milliseconds): world.direct?.delays[link] = milliseconds
        case .cut(let links): world.direct?.cut.formUnion(links)
        case .heal: world.direct?.cut = deadLinks
        case .dropFrames(let isDropping): world.direct?.dropsFrames = isDropping
        case .block(let host, let isBlocked): world.attach(host) { $0.isBlocked = isBlocked }
        case .renumber(let host, let generation):
            world.attach(host) { attachment in
                if !lacksVersion4 {
                    attachment.version4 = Attachment.version4Endpoint(of: host, generation: generation)
                }
                if hasVersion6 {
                    attachment.version6 = Attachment.version6Endpoint(of: host, generation: generation)
                }
            }
        case .rebind(let host): world.attach(host) { $0.translator?.rebind() }
        case .stopRelays: for relay in relayDelays.indices { world.stopRelay(relay) }
        case .startRelays: for relay in relayDelays.indices { try world.startRelay(relay) }
        case .restartRelay(let relay): try world.restartRelay(relay)
        case .drainRelay(let relay): try world.replaceRelay(relay)
        case .breakConnection(let node, let relay): world.breakConnection(node: node, relay: relay)
        case .silence: break
        case .datagramByteCountMax(let count): world.direct?.datagramByteCountMax = count
        case .resetConnections:
            world.connections?.isSilent = false
            world.resetConnections()
        case .silenceConnections: world.connections?.isSilent = true
        }
    }

    // MARK: - Peace

    /// The network is sound again; nobody tells the nodes.
    private func heal(_ world: inout Simulation) {
        world.direct?.cut = deadLinks
        world.direct?.dropsFrames = false
        world.direct?.attack = nil
        if world.connections?.isSilent == true {
            world.connections?.isSilent = false
            world.resetConnections()
        }
        world.direct?.faults = Faults()
        for host in 0..<nodeCount { world.attach(host) { $0.isBlocked = host == blockedForGood } }
        // A host looks its addresses up sooner or later.
        if kind == .roaming || kind == .translated {
            for host in 0..<nodeCount { nameAddresses(of: host, &world) }
        }
        // Only where the relay was wanted: the wish starts an attempt, and the others have to find out by themselves.
        let isWished = steps.contains { if case .allowDirect = $0.step { true } else { false } }
        if isWished { world.setDirectAllowed(true, 0, 1) }
    }

    /// Whether all nodes come to use the best paths there are, both ways, and stay there.
    private func convergence(_ world: inout Simulation) -> Simulation.Violation? {
        let healedAt = world.now
        var last: Simulation.Violation?
        while world.now.milliseconds(since: healedAt) < convergenceMillisecondsMax {
            last = pathViolation(world)
            guard last == nil else {
                world.run(milliseconds: 500)
                continue
            }
            world.run(milliseconds: 5_000)
            last = pathViolation(world)
            if last == nil { break }
        }
        if let last { return last }
        for (one, other) in pairs {
            if let violation = exchange(one, other, &world) { return violation }
        }
        let isDirectEverywhere = blockedForGood == nil || opensConnections && !refusesConnections
        return isDirectEverywhere ? relayViolation(&world) : nil
    }

    private var pairs: [(Int, Int)] {
        (0..<nodeCount).flatMap { one in (one + 1..<nodeCount).map { (one, $0) } }
    }

    /// The first pair that does not use the best kind of path now.
    private func pathViolation(_ world: Simulation) -> Simulation.Violation? {
        for (one, other) in pairs {
            if let violation = pathViolation(of: one, other, world) { return violation }
        }
        return nil
    }

    private func pathViolation(of one: Int, _ other: Int, _ world: Simulation) -> Simulation.Violation? {
        if world.direct?.directPathPossible(one, other) ?? false {
            return world.isReachedDirectly(one, other) ? nil : .notDirect(one, other)
        }
        if opensConnections, !refusesConnections {
            return world.isOnConnection(one, other) ? nil : .notDirect(one, other)
        }
        return world.isRelayed(one, other) ? nil : .notRelayed(one, other)
    }

    /// Twenty frames each way over the paths in use: all arrive.
    private func exchange(_ one: Int, _ other: Int, _ world: inout Simulation) -> Simulation.Violation? {
        var numbers: [UInt64] = []
        for _ in 0..<20 {
            for (from, to) in [(one, other), (other, one)] {
                guard let number = world.sendFrame(from: from, to: to) else { return .notMeshed }
                numbers.append(number)
            }
            world.run(milliseconds: 5)
        }
        world.run(milliseconds: 1_000)
        let lost = numbers.filter { !world.deliveredFrames.contains($0) }
        return lost.first.map { .lost($0, count: lost.count) }
    }

    /// Whether the relays have nothing to do any more, and are left where that is wanted.
    private func relayViolation(_ world: inout Simulation) -> Simulation.Violation? {
        let relays = relayDelays.indices
        let isClosed = world.run(
            until: { world in relays.allSatisfy { world.pairCount(atRelay: $0) == 0 } }, withinMilliseconds: 60_000)
        guard isClosed else { return .channelStaysOpen }
        guard afterDirect == .disconnect else { return nil }
        let isLeft = world.run(
            until: { world in
                (0..<nodeCount).allSatisfy { node in relays.allSatisfy { !world.isConnected(node, toRelay: $0) } }
            }, withinMilliseconds: 60_000)
        guard !isLeft else { return nil }
        return (0..<nodeCount).first { node in relays.contains { world.isConnected(node, toRelay: $0) } }
            .map { .relayStaysConnected($0) }
    }
}
