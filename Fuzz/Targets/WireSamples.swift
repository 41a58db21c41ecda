internal import MeshBase
internal import MeshWire

/// One valid message of each kind; keys and signatures in them are patterns.
enum WireSamples {
    static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

    static let id: PeerID = {
        // '!' okay: 32 bytes make an ID.
        PeerID(bytes: pattern(PeerID.byteCount))!
    }()

    static func endpoint(isVersion6: Bool) -> Endpoint {
        // '!' okay: 4 or 16 bytes make an address.
        Endpoint(address: IPAddress(bytes: isVersion6 ? pattern(16) : [192, 0, 2, 1])!, port: 443)
    }

    static let hello = Hello(
        initiatorIdentity: pattern(SuiteSizes.publicIdentityByteCount), responder: id, nonce: pattern(32),
        timestampMilliseconds: 1_800_000_000_000, share: pattern(32),
        signature: pattern(SuiteSizes.hybridSignatureByteCount))

    static let challenge = Challenge(
        helloNonce: pattern(32), sessionIdentifier: pattern(16),
        responderIdentity: pattern(SuiteSizes.publicIdentityByteCount), nonce: pattern(32),
        encapsulationKey: pattern(SuiteSizes.encapsulationKeyByteCount), share: pattern(32),
        signature: pattern(SuiteSizes.hybridSignatureByteCount))

    static let responseContent = ResponseContent(
        parameters: parameters(full: false).bytes, signature: pattern(SuiteSizes.hybridSignatureByteCount))

    static let response = Response(
        sessionIdentifier: pattern(16), ciphertext: pattern(SuiteSizes.encapsulationCiphertextByteCount),
        sealed: responseContent.bytes + pattern(SuiteSizes.tagByteCount))

    static let established = Established(
        sessionIdentifier: pattern(16), sealed: parameters(full: false).bytes + pattern(SuiteSizes.tagByteCount))

    static func parameters(full: Bool) -> SessionParameters {
        var value = SessionParameters(
            sessionIndex: 1, mtu: 1400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
            supportsDirect: true, resetToken: pattern(16))
        guard full else { return value }
        value.homeRelays = [.init(id: id, url: "wss://relay.example:443")]
        value.candidates = [
            Candidate(source: .configured, transport: .udp, endpoint: endpoint(isVersion6: false)),
            Candidate(source: .relayObserved, transport: .webSocket, endpoint: endpoint(isVersion6: true)),
        ]
        return value
    }

    static let record: [UInt8] = [MessageKind.record.rawValue] + pattern(40)

    /// The two slices of a frame of 16 bytes, and the last byte of the longest frame.
    static let slices: [[UInt8]] = [
        [0, 0, 0, 1, 0, 0, 0, 16] + pattern(9), [0, 0, 0, 1, 0, 9, 0, 16] + pattern(7),
        [0, 0, 0, 2, 0xFF, 0xFE, 0xFF, 0xFF, 1],
    ]

    static let streamMessages: [StreamMessage] = [
        .rekeyRequest(
            RekeyRequest(
                epoch: 1, encapsulationKey: pattern(SuiteSizes.encapsulationKeyByteCount), share: pattern(32),
                signature: pattern(SuiteSizes.hybridSignatureByteCount))),
        .rekeyReply(
            RekeyReply(
                epoch: 1, ciphertext: pattern(SuiteSizes.encapsulationCiphertextByteCount), share: pattern(32),
                signature: pattern(SuiteSizes.hybridSignatureByteCount))),
        .close(.shutdown), .unknown(type: 9),
    ]

    static let relayItems =
        CarrierItem.relayItem(channel: 0, payload: [9]) + CarrierItem.relayItem(channel: 7, payload: record)
    static let directItems = CarrierItem.directItem(payload: [9]) + CarrierItem.directItem(payload: record)

    static let relayMessages: [RelayMessage] = [
        .challenge(
            RelayChallenge(
                relayIdentity: pattern(SuiteSizes.publicIdentityByteCount), keyHash: pattern(32),
                notAfterSeconds: 1_800_000_000, signature: pattern(SuiteSizes.hybridSignatureByteCount),
                challenge: pattern(32))),
        .proof(
            RelayProof(
                clientIdentity: pattern(SuiteSizes.publicIdentityByteCount), instance: pattern(16),
                signature: pattern(SuiteSizes.hybridSignatureByteCount), token: pattern(8))),
        .welcome(
            RelayWelcome(
                observedEndpoint: endpoint(isVersion6: true), stunPort: 3478, payloadByteCountMax: 65_535,
                peersMax: 256)),
        .refused(RelayRefusal(reason: .badProof)), .namePeers([id, id]), .forgetPeers([id]),
        .channelOpened(channel: 1, peer: id), .channelClosed(channel: 1), .draining,
        .replaced(instance: pattern(16)),
    ]
}
