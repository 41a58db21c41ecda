public import MeshProtocol

/// A mesh, its network and what becomes of both, drawn from a seed: `description` says it in words.
public struct PathScenario: Sendable {
    /// What a scenario is about, which decides what the oracle asks for.
    public enum Kind: String, CaseIterable, Sendable {
        /// Moves by choice and by merit on a network that loses nothing.
        case planned
        /// Relays that restart, drain and disconnect.
        case relays
        /// Direct paths that are cut and heal.
        case cut
        /// Direct paths that lose, reorder, repeat and corrupt.
        case lossy
        /// Hosts whose addresses change.
        case roaming
        /// Hosts behind translators.
        case translated
        /// An attacker on the links.
        case attacked
        /// Networks that drop UDP, and direct TCP connections.
        case streams
    }

    /// Something that happens.
    public enum Step: Sendable {
        case allowDirect(Bool)
        case nameAddresses(Int)
        case delay(DirectNetwork.Link, UInt64)
        case cut([DirectNetwork.Link])
        case heal
        case dropFrames(Bool)
        case block(Int, Bool)
        case renumber(Int, generation: Int)
        case rebind(Int)
        case restartRelay(Int)
        case stopRelays
        case startRelays
        case drainRelay(Int)
        case breakConnection(node: Int, relay: Int)
        case silence(Bool)
        case datagramByteCountMax(Int)
        case resetConnections
        case silenceConnections
    }

    /// Where it comes from.
    public let seed: UInt64
    /// What it is about.
    public let kind: Kind
    /// Two or three nodes.
    public var nodeCount = 2
    /// How far each relay is from each node, one way, in milliseconds.
    public var relayDelays: [UInt64] = []
    /// What the nodes do with their relays while all is direct.
    public var afterDirect = Node.AfterDirect.standby
    /// Delays of the links, one way, in milliseconds.
    public var delays: [DirectNetwork.Link: UInt64] = [:]
    /// Whether the hosts have addresses of IPv6 too.
    public var hasVersion6 = false
    /// Whether they have none of IPv4.
    public var lacksVersion4 = false
    /// Whether no datagram of IPv4 ever arrives, though the hosts have addresses.
    public var losesVersion4 = false
    /// Hosts behind translators.
    public var translated: [Int] = []
    /// What the links do besides.
    public var faults = Faults()
    /// What the attacker does, if there is one.
    public var attack: Attack?
    /// Addresses that each host names and nobody has.
    public var junkCount = 0
    /// A frame goes out every so many milliseconds at most, each way between the first two hosts.
    public var gapMillisecondsMax: UInt64 = 10
    /// What happens when, in milliseconds after the mesh is up.
    public var steps: [(atMilliseconds: UInt64, step: Step)] = []
    /// Longer datagrams vanish; `nil` for the largest there are on Ethernet.
    public var datagramByteCountMax = PathScenario.ethernetDatagramByteCountMax
    /// How many of thousand frames fill the largest record.
    public var largeFramePerMille: UInt64 = 0
    /// When the trouble ends, in milliseconds after the mesh is up.
    public var endMilliseconds: UInt64 = 0
    /// A host whose network drops UDP for ever after; `nil` for none.
    public var blockedForGood: Int?
    /// Whether the hosts open direct TCP connections.
    public var opensConnections = false
    /// Whether no direct TCP connection comes about.
    public var refusesConnections = false

    /// What IPv4 and UDP leave of 1,500 bytes.
    static let ethernetDatagramByteCountMax = 1_472

    init(seed: UInt64, kind: Kind) {
        self.seed = seed
        self.kind = kind
    }

    /// How long nothing may arrive from one of the first two hosts at the other while direct paths are cut: 1 s with the
    /// relay on standby, 1.5 s with a relay that has to be connected to again from 40 ms away, and seven round trips more
    /// for each millisecond beyond: TCP, TLS, the proof of both sides, the names and the first frame. `nil` for kinds that
    /// promise nothing.
    func outageMillisecondsMax(from sender: Int) -> UInt64? {
        guard kind == .cut else { return nil }
        let farthest = relayDelays.max() ?? 0
        let limit = afterDirect == .disconnect ? 1_500 + 14 * (max(farthest, 40) - 40) : 1_000
        guard dropsFrames else { return limit }
        // A path that answers and drops frames is found out by 32 of them: that takes as long as they take, and node 1 may
        // send none for any time. What is sent before a silence is missed only after it.
        let isSteady = !steps.contains { if case .silence = $0.step { true } else { false } }
        return sender == 0 && isSteady ? limit + 32 * gapMillisecondsMax : nil
    }

    private var dropsFrames: Bool { steps.contains { if case .dropFrames = $0.step { true } else { false } } }

    /// Links that carry nothing from the beginning to the end.
    var deadLinks: Set<DirectNetwork.Link> {
        losesVersion4 ? Set(delays.keys.filter { !$0.isVersion6 }) : []
    }

    /// Whether the network loses nothing at all: every frame has to arrive.
    var losesNothing: Bool { kind == .planned }

    /// Whether all paths may be gone for longer than a session waits: then a new handshake is no fault.
    var mayLoseAllPaths: Bool {
        let stopsRelays = steps.contains { if case .stopRelays = $0.step { true } else { false } }
        let cuts = steps.contains { if case .cut = $0.step { true } else { false } }
        return stopsRelays && cuts
    }

    /// How long after the trouble is over all have to be on their best paths again: an attempt is made every 60 s, and takes
    /// 5 s; another second for the moves. A path that lost frames while it answered is left alone for 60 s, for 120 s the
    /// second time, 240 s the third (`PeerPaths`), as often as there was time for in the trouble.
    var convergenceMillisecondsMax: UInt64 {
        let drops = UInt64(steps.count { if case .dropFrames(true) = $0.step { true } else { false } })
        return 66_000 + (drops == 0 ? 0 : 60_000 << min(drops, 3))
    }

    /// Whether the network itself keeps the order of what goes by one path.
    public var keepsOrder: Bool {
        guard let attack else { return faults.jitterMilliseconds == 0 }
        // Who is faster than the network, or slower, changes the order on one path.
        return attack.spoofedPerMille + attack.replayedPerMille + attack.swappedPerMille + attack.delayedPerMille == 0
    }
}

extension PathScenario: CustomStringConvertible {
    /// The scenario in words, one line.
    public var description: String {
        var parts = ["seed \(seed), \(kind.rawValue): \(nodeCount) nodes"]
        parts.append("relays \(relayDelays.map { "\($0) ms" }.joined(separator: " and ")), \(afterDirect.rawValue)")
        let links = delays.sorted { ($0.key.description, $0.value) < ($1.key.description, $1.value) }
        parts.append("direct " + links.map { "\($0.key) \($0.value) ms" }.joined(separator: " "))
        if lacksVersion4 { parts.append("no IPv4") }
        if losesVersion4 { parts.append("IPv4 broken") }
        if !translated.isEmpty { parts.append("translators before \(translated)") }
        if datagramByteCountMax < Self.ethernetDatagramByteCountMax {
            parts.append("datagrams up to \(datagramByteCountMax) bytes")
        }
        if largeFramePerMille > 0 { parts.append("large frames \(largeFramePerMille) per mille") }
        if opensConnections { parts.append(refusesConnections ? "TCP blocked" : "TCP") }
        if junkCount > 0 { parts.append("\(junkCount) junk addresses") }
        if kind == .lossy {
            parts.append(
                "loss \(faults.lossPerMille) bursts \(faults.burstPerMille) repeated \(faults.duplicationPerMille) "
                    + "corrupted \(faults.corruptionPerMille) per mille, jitter \(faults.jitterMilliseconds) ms")
        }
        if let attack { parts.append("\(attack)") }
        parts.append("frames every \(gapMillisecondsMax) ms")
        for (at, step) in steps { parts.append("\(step) at \(Double(at) / 1000) s") }
        parts.append("sound at \(Double(endMilliseconds) / 1000) s")
        if let blockedForGood { parts.append("but without UDP at \(blockedForGood)") }
        return parts.joined(separator: ", ")
    }
}

extension DirectNetwork.Link: CustomStringConvertible {
    /// As in `0>1` or `0>1 v6`.
    public var description: String { "\(from)>\(to)" + (isVersion6 ? " v6" : "") }
}

extension PathScenario.Step: CustomStringConvertible {
    /// The step in words.
    public var description: String {
        switch self {
        case .allowDirect(let isAllowed): isAllowed ? "direct wanted" : "relay wanted"
        case .nameAddresses(let host): "\(host) names its addresses"
        case .delay(let link, let milliseconds): "\(link) now \(milliseconds) ms"
        case .cut(let links): "cut " + links.map(\.description).joined(separator: " ")
        case .heal: "healed"
        case .dropFrames(let isDropping): isDropping ? "frames dropped" : "frames pass"
        case .block(let host, let isBlocked): isBlocked ? "UDP blocked at \(host)" : "UDP passes at \(host)"
        case .renumber(let host, let generation): "\(host) gets address \(generation)"
        case .rebind(let host): "translator of \(host) forgets"
        case .restartRelay(let relay): "relay \(relay) restarts"
        case .stopRelays: "all relays stop"
        case .startRelays: "all relays are back"
        case .drainRelay(let relay): "relay \(relay) drains"
        case .breakConnection(let node, let relay): "\(node) loses relay \(relay)"
        case .silence(let isSilent): isSilent ? "silence" : "traffic"
        case .datagramByteCountMax(let count): "datagrams up to \(count) bytes"
        case .resetConnections: "TCP reset"
        case .silenceConnections: "TCP silent"
        }
    }
}
