internal import MeshBase
internal import MeshControl
internal import MeshCrypto
internal import MeshLinux
internal import MeshProtocol
internal import MeshRegistry
internal import MeshTransport
internal import MeshWire

/// What the configuration means for the protocol machine.
struct NodeSetUp {
    let node: Node.Configuration
    let peers: [NodeConfiguration.Peer]
    let relays: [NodeConfiguration.Relay]

    init(
        configuration: NodeConfiguration, identity: Identity, relayTokens: [PeerID: [UInt8]],
        superframeKinds: SuperframeKinds
    ) {
        peers = configuration.peers.filter { $0.id != identity.id }
        relays = configuration.mode == .direct ? [] : configuration.relays
        var candidates: [Candidate] = []
        if configuration.mode != .relay, let address = configuration.listenAddress, address.isSpecific {
            candidates.append(Candidate(source: .configured, transport: .webSocket, endpoint: address))
        }
        let parameters = SessionParameters(
            sessionIndex: 0, mtu: UInt16(clamping: configuration.tap.mtu),
            heartbeatIntervalSeconds: UInt16(clamping: configuration.heartbeatIntervalSeconds),
            keyRotationIntervalSeconds: UInt32(clamping: configuration.keyRotationIntervalSeconds),
            supportsDirect: configuration.mode != .relay, superframeKinds: superframeKinds.rawValue, resetToken: [],
            homeRelays: relays.prefix(SessionParameters.homeRelaysMax).map { .init(id: $0.id, url: "\($0.url)") },
            candidates: candidates)
        var made = Node.Configuration(
            identity: identity, peers: peers.map(\.id), relays: relays.map(\.id), parameters: parameters)
        made.relayTokens = relayTokens
        made.usesDatagrams = configuration.mode == .auto && configuration.usesRelays
        if configuration.registry != nil {
            made.relayPlacesMax = RelayChoice.placesMax
            made.keepsRelays = true
        }
        made.datagramByteCountMax = DatagramPort.datagramByteCountMax
        made.opensConnections = made.usesDatagrams
        made.opensSockets = made.usesDatagrams
        switch configuration.natType {
        case nil, .some(.none), .udpBlocked: break
        case .fullCone, .restrictedCone, .portRestrictedCone: made.mappingOverride = .independent
        case .symmetric: made.mappingOverride = .random
        }
        made.afterDirect =
            switch configuration.afterDirect {
            case .auto: .auto
            case .disconnect: .disconnect
            case .standby: .standby
            }
        if configuration.mode != .relay {
            made.dialledPeers = Set(peers.filter { $0.address != nil }.map(\.id))
        }
        node = made
    }
}

extension NodeConfiguration {
    /// Whether there are relays, or will be once the registry is read.
    var usesRelays: Bool { mode != .direct && (!relays.isEmpty || registry != nil) }
}

extension Endpoint {
    /// Whether the address is one that a peer can dial, not the wildcard.
    fileprivate var isSpecific: Bool { address.bytes.contains { $0 != 0 } }
}

extension SuperframeKinds {
    /// Those that a TAP device takes whole.
    init(_ offloads: TapOffloads) {
        self = []
        guard offloads.checksum else { return }
        if offloads.tcpSegmentation { insert(.tcp) }
        if offloads.udpSegmentation { insert(.udp) }
    }
}
