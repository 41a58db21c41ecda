import MeshBase

extension NodeConfiguration {
    /// Bytes of a public identity: an ML-DSA-87 key of 2,592 (FIPS 204 section 4) and an Ed25519 key of 32 (RFC 8032).
    public static let publicKeyByteCount = 2624
    /// A node keeps to a few relays; more than this is a list by mistake.
    package static let relayCountMax = 64
    /// Peers of one node; each costs a session's memory.
    package static let peerCountMax = 4096
    /// Addresses of one interface.
    package static let addressCountMax = 16

    /// Reads the settings of a node and reports every mistake to `reader`.
    static func read(
        _ root: ConfigurationSection, _ reader: inout SettingsReader, peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) -> NodeConfiguration {
        var result = NodeConfiguration()
        result.mode = reader.value("mode", in: root, .choice, default: result.mode)
        result.identity = reader.path("identity", in: root, default: result.identity) ?? result.identity
        result.passphraseFile = reader.path("passphrase_file", in: root)
        result.tap = tap(root, &reader)
        result.offload = offload(root, &reader)
        result.packetLoops = reader.value("packet_loops", in: root, .packetLoops, default: result.packetLoops)
        result.datagrams = datagrams(root, &reader)
        result.relays = relays(root, &reader)
        result.registry = RegistryConfiguration.read(root, &reader, isOfRelay: false)
        result.afterDirect = reader.value("after_direct", in: root, .choice, default: result.afterDirect)
        result.peers = peers(root, &reader, peerIDOfPublicKey)
        result.listenAddress = reader.value("listen_address", in: root, .listenAddress)
        result.portMapping = reader.value("port_mapping", in: root, .choice, default: result.portMapping)
        result.natType = reader.value("nat_type", in: root, .choice)
        let control = reader.section("control", in: root)
        result.control.socket = reader.value("socket", in: control, .socketPath, default: result.control.socket)
        result.control.group = reader.value("group", in: control, .groupName)
        result.logging = reader.logging(in: root)
        result.heartbeatIntervalSeconds = reader.value(
            "heartbeat_interval", in: root, .integer(1...300, unit: "seconds"),
            default: result.heartbeatIntervalSeconds)
        result.keyRotationIntervalSeconds = reader.value(
            "key_rotation_interval", in: root, .integer(1...86_400, unit: "seconds"),
            default: result.keyRotationIntervalSeconds)
        checkReachability(result, root, &reader)
        let remedy = "create one with: shadowmesh init --identity \(result.identity)"
        reader.needIdentity(result.identity, remedy: remedy, passphraseFile: result.passphraseFile)
        return result
    }

    private static func tap(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> Tap {
        let section = reader.section("tap", in: root)
        var tap = Tap()
        tap.name = reader.value("name", in: section, .interfaceName, default: tap.name)
        tap.addresses = reader.values("address", in: section, .interfaceAddress, countMax: addressCountMax)
        // 576: the least IPv4 host must take (RFC 791 section 3.1). 9,000: jumbo frames as switches have them.
        tap.mtu = reader.value("mtu", in: section, .integer(576...9000, unit: "bytes"), default: tap.mtu)
        tap.mac = reader.value("mac", in: section, .macAddress)
        let hasVersion6 = tap.addresses.contains { $0.address.isVersion6 }
        if hasVersion6, tap.mtu < 1280 {
            let message = "found \(tap.mtu), but IPv6 needs 1280 or more (RFC 8200 section 5); tap.address has IPv6"
            reader.report(.conflict, at: reader.source(of: "tap.mtu"), "tap.mtu", message)
        }
        return tap
    }

    private static func offload(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> Offload {
        let section = reader.section("offload", in: root)
        var offload = Offload()
        offload.tapChecksum = reader.value("tap_checksum", in: section, .choice, default: offload.tapChecksum)
        offload.tapTCP = reader.value("tap_tcp", in: section, .choice, default: offload.tapTCP)
        offload.tapUDP = reader.value("tap_udp", in: section, .choice, default: offload.tapUDP)
        offload.udpSend = reader.value("udp_send", in: section, .choice, default: offload.udpSend)
        offload.udpReceive = reader.value("udp_receive", in: section, .choice, default: offload.udpReceive)
        return offload
    }

    private static func datagrams(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> Datagrams {
        let section = reader.section("datagrams", in: root)
        var datagrams = Datagrams()
        datagrams.mark = reader.value("mark", in: section, .integer(1...Int(UInt32.max)))
        datagrams.serviceClass = reader.value("dscp", in: section, .choice, default: datagrams.serviceClass)
        return datagrams
    }

    private static func relays(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> [Relay] {
        var result: [Relay] = []
        var firstPlaces: [PeerID: ConfigurationSource] = [:]
        for section in reader.sections("relays", in: root, countMax: relayCountMax) {
            let url = reader.requiredValue("url", in: section, .relayURL)
            let id = reader.requiredValue("id", in: section, .peerID)
            let tokenFile = reader.path("token_file", in: section)
            guard let id else { continue }
            if let first = firstPlaces[id] {
                let message = "this relay is listed twice; first at \(first)"
                reader.report(.conflict, at: reader.source(of: section.keyPath("id")), section.keyPath("id"), message)
            } else {
                firstPlaces[id] = reader.source(of: section.keyPath("id"))
            }
            if let url { result.append(Relay(url: url, id: id, tokenFile: tokenFile)) }
        }
        return result
    }

    /// A node that no path can ever reach is a mistake.
    private static func checkReachability(
        _ result: NodeConfiguration, _ root: ConfigurationSection, _ reader: inout SettingsReader
    ) {
        let isRelayless = root["relays"] == nil || root["relays"]?.value.content == .null
        guard isRelayless, result.registry == nil, reader.issues.isEmpty else { return }
        switch result.mode {
        case .relay:
            let message = "missing; mode relay needs at least one relay (url and id), or a registry"
            reader.report(.missingKey, at: root.source, "relays", message)
        case .auto, .direct:
            guard result.listenAddress == nil, result.peers.allSatisfy({ $0.address == nil }) else { return }
            let message =
                "no relay, no registry, no listen_address and no peer with an address: this node could reach nobody"
            reader.report(.missingKey, at: root.source, "relays", message)
        }
    }
}
