import MeshBase

extension RelayConfiguration {
    /// IDs of an allow-list.
    package static let admittedPeerCountMax = 65_536

    /// How clients are admitted, as the file names it.
    private enum Policy: String, CaseIterable {
        case open
        case allowList = "allow_list"
        case token
    }

    /// Reads the settings of a relay and reports every mistake to `reader`.
    static func read(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> RelayConfiguration {
        var result = RelayConfiguration()
        result.listenAddress = reader.value(
            "listen_address", in: root, .listenAddress, default: result.listenAddress)
        let state = reader.path("state_directory", in: root, default: result.stateDirectory)
        result.stateDirectory = state ?? result.stateDirectory
        result.identity =
            reader.path("identity", in: root, default: result.stateDirectory + "/identity") ?? result.identity
        result.passphraseFile = reader.path("passphrase_file", in: root)
        result.stunAddress = reader.value("stun_address", in: root, .listenAddressOrOff, default: result.stunAddress)
        result.stunAlternateAddress = reader.value(
            "stun_alternate_address", in: root, .listenAddressOrOff, default: nil)
        result.tls = tls(root, &reader)
        result.admission = admission(root, &reader)
        result.limits = limits(root, &reader)
        result.registry = RegistryConfiguration.read(root, &reader, isOfRelay: true)
        result.logging = reader.logging(in: root)
        let remedy = "create one with: shadowmesh init --identity \(result.identity)"
        reader.needIdentity(result.identity, remedy: remedy, passphraseFile: result.passphraseFile)
        return result
    }

    private static func tls(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> TLS? {
        let section = reader.section("tls", in: root)
        let certificate = reader.path("certificate", in: section)
        let key = reader.path("key", in: section)
        for (name, path) in [("certificate", certificate), ("key", key)] {
            guard let path else { continue }
            let keyPath = section.keyPath(name)
            let remedy = "name the PEM file, or leave tls out for a self-signed certificate"
            let source = reader.source(of: keyPath)
            reader.need(.init(keyPath: keyPath, path: path, source: source, remedy: remedy))
        }
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLS(certificate: certificate, key: key)
        case (nil, _?), (_?, nil):
            let absent = certificate == nil ? "certificate" : "key"
            let message = "missing; expected both tls.certificate and tls.key, or neither"
            reader.report(.missingKey, at: section.source, section.keyPath(absent), message)
            return nil
        }
    }

    private static func admission(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> Admission {
        let section = reader.section("admission", in: root)
        let policy = reader.value("policy", in: section, .choice, default: Policy.open)
        let peers = admittedPeers(section, &reader)
        let tokenFile = reader.path("token_file", in: section)
        switch policy {
        case .open: break
        case .allowList:
            guard peers.isEmpty, section["peers"] == nil else { return .allowList(peers) }
            let message = "missing; policy allow_list needs the list of admitted peer IDs"
            reader.report(.missingKey, at: section.source, section.keyPath("peers"), message)
        case .token:
            let keyPath = section.keyPath("token_file")
            guard let tokenFile else {
                let message = "missing; policy token needs the path of the file that holds it"
                reader.report(.missingKey, at: section.source, keyPath, message)
                return .open
            }
            let source = reader.source(of: keyPath)
            let remedy = "write the token into it, mode 0600"
            reader.need(.init(keyPath: keyPath, path: tokenFile, source: source, remedy: remedy))
            return .token(file: tokenFile)
        }
        return .open
    }

    private static func admittedPeers(_ section: ConfigurationSection, _ reader: inout SettingsReader) -> [PeerID] {
        var result: [PeerID] = []
        var seen: Set<PeerID> = []
        let keyPath = section.keyPath("peers")
        for (index, value) in reader.list("peers", in: section, countMax: admittedPeerCountMax).enumerated() {
            guard let id = reader.element(value, at: "\(keyPath)[\(index)]", .peerID) else { continue }
            if seen.insert(id).inserted { result.append(id) }
        }
        return result
    }

    private static func limits(_ root: ConfigurationSection, _ reader: inout SettingsReader) -> Limits {
        let section = reader.section("limits", in: root)
        var limits = Limits()
        limits.clients = reader.value("clients", in: section, .integer(1...1_000_000), default: limits.clients)
        // A flight of the handshake has up to 9 KB and must fit; the upper end is the protocol's own.
        limits.frameBytes = reader.value(
            "frame_bytes", in: section, .byteCount(16_384...65_535), default: limits.frameBytes)
        limits.signallingMessages = reader.value(
            "signalling_messages", in: section, .integer(4...4096), default: limits.signallingMessages)
        limits.dataBytesPerPair = reader.value(
            "data_bytes_per_pair", in: section, .byteCount(65_536...1 << 30), default: limits.dataBytesPerPair)
        limits.dataAgeMilliseconds = reader.value(
            "data_age_ms", in: section, .integer(10...60_000, unit: "milliseconds"),
            default: limits.dataAgeMilliseconds)
        limits.rateBytesPerSecond = reader.value(
            "rate_bytes_per_second", in: section, .byteCount(16_384...1 << 40))
        limits.peersPerClient = reader.value(
            "peers_per_client", in: section, .integer(1...65_536), default: limits.peersPerClient)
        return limits
    }
}
