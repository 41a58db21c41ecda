public import MeshBase

extension NodeConfiguration {
    /// Reads the list of peers; each is named by `peer_id`, by `public_key`, or by both when they agree.
    static func peers(
        _ root: ConfigurationSection, _ reader: inout SettingsReader, _ peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) -> [Peer] {
        var result: [Peer] = []
        var places = Places()
        for section in reader.sections("peers", in: root, countMax: peerCountMax) {
            let id = peerID(section, &reader, peerIDOfPublicKey)
            let name = reader.value("name", in: section, .label)
            let address = reader.value("address", in: section, .hostAndPort)
            if let id { places.check(id, section, &reader) }
            if let name { places.check(name, section, &reader) }
            if let id { result.append(Peer(id: id, name: name, address: address)) }
        }
        return result
    }

    private static func peerID(
        _ section: ConfigurationSection, _ reader: inout SettingsReader, _ peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) -> PeerID? {
        let issueCount = reader.issues.count
        let id = reader.value("peer_id", in: section, .peerID)
        let publicKey = reader.value("public_key", in: section, .publicKey(byteCount: publicKeyByteCount))
        guard reader.issues.count == issueCount else { return nil }
        let computed = publicKey.map(peerIDOfPublicKey)
        switch (id, computed) {
        case (nil, nil):
            let message = "missing; expected peer_id (52 characters) or public_key (base64)"
            reader.report(.missingKey, at: section.source, section.keyPath("peer_id"), message)
            return nil
        case (let id?, let computed?) where id != computed:
            let keyPath = section.keyPath("public_key")
            let message = "this key belongs to \(computed), but peer_id says \(id); keep the right one"
            reader.report(.conflict, at: reader.source(of: keyPath), keyPath, message)
            return nil
        case (_, let computed?): return computed
        case (let id?, nil): return id
        }
    }

    /// Where each ID and name was first given.
    private struct Places {
        var ids: [PeerID: ConfigurationSource] = [:]
        var names: [String: ConfigurationSource] = [:]

        mutating func check(_ id: PeerID, _ section: ConfigurationSection, _ reader: inout SettingsReader) {
            if let first = ids.updateValue(section.source, forKey: id) {
                let message = "the peer \(id.abbreviated)… is listed twice; first at \(first)"
                reader.report(.conflict, at: section.source, section.keyPath("peer_id"), message)
            }
        }

        mutating func check(_ name: String, _ section: ConfigurationSection, _ reader: inout SettingsReader) {
            let keyPath = section.keyPath("name")
            let source = reader.source(of: keyPath)
            if let first = names.updateValue(source, forKey: name) {
                let message = "the name \"\(name)\" is given to two peers; first at \(first)"
                reader.report(.conflict, at: source, keyPath, message)
            }
        }
    }
}

extension NodeConfiguration {
    /// What to tell people when the node lists its own ID as a peer, which one list for all nodes may do.
    public func warningOfItself(_ id: PeerID) -> String? {
        guard let place = peers.firstIndex(where: { $0.id == id }) else { return nil }
        return "peers[\(place)] is this node itself (\(id.abbreviated)…) and is left out"
    }
}

extension SettingsReader {
    /// Notes the files of a private identity as needed.
    mutating func needIdentity(_ identity: String, remedy: String, passphraseFile: String?) {
        need(NeededFile(keyPath: "identity", path: identity, source: source(of: "identity"), remedy: remedy))
        guard let passphraseFile else { return }
        let remedy = "write the passphrase into it, mode 0600, or leave passphrase_file out"
        let source = source(of: "passphrase_file")
        need(NeededFile(keyPath: "passphrase_file", path: passphraseFile, source: source, remedy: remedy))
    }
}
