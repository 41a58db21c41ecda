internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol

/// Hosts behind translators of every kind, drawn from a seed: which pairs have to find a direct path, and whether they do, also
/// after a silence in which mappings end, and after translators start anew.
public struct TopologyScenario: Sendable, CustomStringConvertible {
    /// How a host is attached.
    public struct Place: Sendable {
        /// The translator before it; `nil` for none.
        public var kind: Translator.Kind?
        /// Whether it has an address of IPv6.
        public var hasVersion6: Bool
        /// Whether its network drops all UDP.
        public var isBlocked: Bool
    }

    /// An attempt at a way through translators takes 10 s and follows the one before after 10, 20 and 40 s; ordinary ones
    /// come after 60 s.
    private static let convergenceMilliseconds: UInt64 = 130_000
    /// Both sides of an attempt together (PROTOCOL-paths).
    private static let probesMax = 3_000

    /// Where it comes from.
    public let seed: UInt64
    /// The hosts.
    public let places: [Place]
    /// Idle time in which mappings may end, in milliseconds; 0 for none.
    public let silenceMilliseconds: UInt64
    /// Hosts whose translators start anew once all is settled.
    public let rebooted: [Int]

    /// Draws the topology of a seed.
    public init(drawnFrom seed: UInt64) {
        var entropy = EntropySource.seeded(seed &* 0xA24B_AED4_963E_E407)
        self.seed = seed
        let count = entropy.number(below: 4) == 0 ? 3 : 2
        places = (0..<count).map { _ in
            Place(
                kind: entropy.number(below: 6) == 0 ? nil : Self.drawKind(&entropy),
                hasVersion6: entropy.number(below: 5) == 0, isBlocked: entropy.number(below: 10) == 0)
        }
        silenceMilliseconds = entropy.number(below: 2) == 0 ? 0 : 35_000 + entropy.number(below: 30_000)
        rebooted = (0..<count).filter { _ in entropy.number(below: 3) == 0 }
    }

    /// A cone with any filter, or a translator with a port for each destination, which lets in only what answers.
    private static func drawKind(_ entropy: inout EntropySource) -> Translator.Kind {
        let filterings = Translator.Rule.allCases
        let filtering = filterings[Int(entropy.number(below: UInt64(filterings.count)))]
        let ports: Translator.Ports = entropy.number(below: 2) == 0 ? .sequential : .random
        let lifetime: UInt64 = entropy.number(below: 2) == 0 ? 30_000 : 120_000
        guard entropy.number(below: 2) == 0 else {
            return .init(filtering: filtering, ports: ports, lifetimeMilliseconds: lifetime)
        }
        return .init(
            mapping: .byAddressAndPort, filtering: .byAddressAndPort, ports: ports, lifetimeMilliseconds: lifetime)
    }

    /// The topology in words, one line.
    public var description: String {
        let hosts = places.map { place in
            "[" + (place.kind.map { "\($0)" } ?? "open") + (place.hasVersion6 ? ", IPv6" : "")
                + (place.isBlocked ? ", UDP blocked" : "") + "]"
        }
        return "seed \(seed): \(hosts.joined(separator: " ")), silence \(silenceMilliseconds / 1_000) s, "
            + "rebooted \(rebooted)"
    }

    /// Plays it. Returns what went wrong first, in words.
    public func play(identities: Simulation.Identities) throws -> String? {
        var world = try Simulation(
            seed: seed, nodeCount: places.count, relayCount: 1, identities: identities, isDirect: true,
            opensSockets: true)
        for (host, place) in places.enumerated() {
            world.attach(host) { attachment in
                attachment.isBlocked = place.isBlocked
                if place.hasVersion6 { attachment.version6 = Attachment.version6Endpoint(of: host, generation: 0) }
                guard let kind = place.kind else { return }
                attachment.version4 = Attachment.privateEndpoint(of: host)
                attachment.translator = Translator(host: host, kind: kind, seed: seed &+ UInt64(host))
            }
            world.nameAddresses(of: host)
        }
        guard world.run(until: \.isMeshed, withinMilliseconds: 10_000, stepMilliseconds: 20) else {
            return "no sessions"
        }
        if let fault = settle(&world) { return "at first: \(fault)" }
        if silenceMilliseconds > 0 {
            world.run(milliseconds: silenceMilliseconds)
            if let fault = pathFault(world) { return "after the silence: \(fault)" }
        }
        if !rebooted.isEmpty {
            for host in rebooted { world.attach(host) { $0.translator?.rebind() } }
            for host in rebooted { world.nameAddresses(of: host) }
            if let fault = settle(&world) { return "after the reboot: \(fault)" }
        }
        return world.violations.first.map { "\($0)" }
    }

    /// Lets the hosts find their paths, with a frame each way now and then.
    private func settle(_ world: inout Simulation) -> String? {
        let began = world.now
        let probes = world.probeCounts
        var fault: String?
        while world.now.milliseconds(since: began) < Self.convergenceMilliseconds {
            for (one, other) in pairs {
                _ = world.sendFrame(from: one, to: other)
                _ = world.sendFrame(from: other, to: one)
            }
            world.run(milliseconds: 500)
            fault = pathFault(world)
            // Where only a relay is left, everything that is tried has to have failed first.
            let isHopeful = pairs.contains { !isDirect($0, $1, world) }
            if fault == nil, !isHopeful || world.now.milliseconds(since: began) > 30_000 { break }
        }
        if let fault { return fault }
        let peerCount = places.count - 1
        for host in places.indices {
            let count = (world.probeCounts[host] ?? 0) - (probes[host] ?? 0)
            // Four attempts at most fit into the time.
            guard count <= 4 * peerCount * Self.probesMax else { return "\(host) sent \(count) probes" }
        }
        return nil
    }

    private var pairs: [(Int, Int)] {
        places.indices.flatMap { one in (one + 1..<places.count).map { (one, $0) } }
    }

    private func isDirect(_ one: Int, _ other: Int, _ world: Simulation) -> Bool {
        world.direct?.directPathPossible(one, other) ?? false
    }

    private func pathFault(_ world: Simulation) -> String? {
        for (one, other) in pairs {
            if isDirect(one, other, world) {
                guard world.isReachedDirectly(one, other) else { return "\(one) and \(other) are not direct" }
            } else {
                guard world.isRelayed(one, other) else { return "\(one) and \(other) are not relayed" }
            }
        }
        return nil
    }
}
