import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// A peer played by the test with the protocol's own arithmetic, so that it can sign wrongly and send what no node would.
struct ManualPeer {
    /// Which scheme of a hybrid signature is spoiled.
    enum Flaw: CaseIterable { case none, mldsa, ed25519 }

    let identity: Identity
    let target: PublicIdentity
    var entropy: EntropySource
    var localIndex: UInt32
    var rotationSeconds: UInt32 = 86_400

    var hello: [UInt8] = []
    var helloNonce: [UInt8] = []
    var challenge: [UInt8] = []
    var sessionIdentifier: [UInt8] = []
    var agreement: AgreementKey?
    var keyPair: EncapsulationKeyPair?
    var keys: HandshakeKeys?
    var th2: [UInt8] = []
    var secrets: EpochSecrets?
    var isInitiator = true
    var remoteIndex: UInt32 = 0
    var remoteResetToken: [UInt8] = []
    var epoch: UInt8 = 0
    var counter: UInt64 = 0
    var transmission: UInt32 = 0
    var streamOffset: UInt64 = 0
    var keyPairOfRekey: (EncapsulationKeyPair, AgreementKey, [UInt8])?

    init(_ index: Int, target: Int, seed: UInt64 = 1) {
        identity = World.identities[index]
        self.target = World.identities[target].publicIdentity
        entropy = .seeded(1_000 + seed)
        localIndex = UInt32(truncatingIfNeeded: 0x1000_0000 + seed)
    }

    static func spoil(_ signature: [UInt8], _ flaw: Flaw) -> [UInt8] {
        var result = signature
        switch flaw {
        case .none: break
        case .mldsa: result[100] ^= 1
        case .ed25519: result[result.count - 64] ^= 1
        }
        return result
    }

    var parameters: SessionParameters {
        SessionParameters(
            sessionIndex: localIndex, mtu: 1400, heartbeatIntervalSeconds: 15,
            keyRotationIntervalSeconds: rotationSeconds, supportsDirect: false,
            resetToken: identity.resetToken(for: localIndex))
    }

    // MARK: - As initiator

    mutating func makeHello(_ flaw: Flaw = .none, responder: PeerID? = nil) throws -> [UInt8] {
        isInitiator = true
        let agreement = try AgreementKey(secret: Secret(entropy.bytes(count: 32)))
        self.agreement = agreement
        helloNonce = entropy.bytes(count: 32)
        var message = Hello(
            initiatorIdentity: identity.publicIdentity.bytes, responder: responder ?? target.id, nonce: helloNonce,
            timestampMilliseconds: 0, share: agreement.share)
        message.signature = Self.spoil(try identity.sign(.hello, over: Digest.sha512(message.signedBytes)), flaw)
        hello = message.bytes
        return hello
    }

    mutating func answer(challenge bytes: [UInt8], _ flaw: Flaw = .none) throws -> [UInt8] {
        let message = try Challenge(parsing: bytes.span.rawBytes)
        challenge = bytes
        sessionIdentifier = message.sessionIdentifier
        let (ciphertext, kemSecret) = try EncapsulationKeyPair.encapsulate(to: message.encapsulationKey)
        guard let agreement else { throw CryptoError.malformedKey }
        let th1 = Digest.sha512(hello, challenge, ciphertext)
        let keys = HandshakeKeys(
            kemSecret: kemSecret, agreementSecret: try agreement.agree(with: message.share), th1: th1)
        self.keys = keys
        let content = ResponseContent(
            parameters: parameters.bytes,
            signature: Self.spoil(try identity.sign(.response, over: Digest.sha512(th1, parameters.bytes)), flaw))
        let sealed = try keys.responseKey().sealOnce(content.bytes, associated: th1)
        th2 = Digest.sha512(th1, sealed)
        return Response(sessionIdentifier: sessionIdentifier, ciphertext: ciphertext, sealed: sealed).bytes
    }

    mutating func read(established bytes: [UInt8]) throws {
        guard let keys else { throw CryptoError.malformedKey }
        let message = try Established(parsing: bytes.span.rawBytes)
        try learn(try keys.establishedKey().openOnce(message.sealed, associated: th2))
        secrets = keys.epochSecrets(th2: th2)
    }

    private mutating func learn(_ bytes: [UInt8]) throws {
        let remote = try SessionParameters(parsing: bytes.span.rawBytes)
        remoteIndex = remote.sessionIndex
        remoteResetToken = remote.resetToken
    }

    /// The whole handshake with node 0 over relay 0.
    mutating func establish(in world: World, as index: Int = 1) throws {
        world.inject(try makeHello(), from: index)
        try answerChallenge(in: world, as: index)
    }

    mutating func answerChallenge(in world: World, as index: Int = 1) throws {
        for packet in world.take(to: index) where packet.kind == .challenge {
            guard try Challenge(parsing: packet.bytes.span.rawBytes).helloNonce == helloNonce else { continue }
            world.inject(try answer(challenge: packet.bytes), from: index)
        }
        for packet in world.take(to: index) where packet.kind == .established { try read(established: packet.bytes) }
    }

    // MARK: - As responder

    mutating func makeChallenge(
        for hello: [UInt8], _ flaw: Flaw = .none, as other: Identity? = nil
    ) throws -> [UInt8] {
        isInitiator = false
        self.hello = hello
        let received = try Hello(parsing: hello.span.rawBytes)
        let pair = try EncapsulationKeyPair(seed: Secret(entropy.bytes(count: 64)))
        let agreement = try AgreementKey(secret: Secret(entropy.bytes(count: 32)))
        (keyPair, self.agreement) = (pair, agreement)
        sessionIdentifier = entropy.bytes(count: 16)
        let signer = other ?? identity
        var message = Challenge(
            helloNonce: received.nonce, sessionIdentifier: sessionIdentifier,
            responderIdentity: signer.publicIdentity.bytes, nonce: entropy.bytes(count: 32),
            encapsulationKey: pair.encapsulationKey, share: agreement.share)
        message.signature = Self.spoil(
            try signer.sign(.challenge, over: Digest.sha512(hello, message.signedBytes)), flaw)
        challenge = message.bytes
        return challenge
    }

    mutating func makeEstablished(for response: [UInt8]) throws -> [UInt8] {
        guard let keyPair, let agreement else { throw CryptoError.malformedKey }
        let message = try Response(parsing: response.span.rawBytes)
        let share = try Hello(parsing: hello.span.rawBytes).share
        let th1 = Digest.sha512(hello, challenge, message.ciphertext)
        let keys = HandshakeKeys(
            kemSecret: try keyPair.decapsulate(message.ciphertext), agreementSecret: try agreement.agree(with: share),
            th1: th1)
        let opened = try keys.responseKey().openOnce(message.sealed, associated: th1)
        let content = try ResponseContent(parsing: opened.span.rawBytes)
        try learn(content.parameters)
        th2 = Digest.sha512(th1, message.sealed)
        secrets = keys.epochSecrets(th2: th2)
        let sealed = try keys.establishedKey().sealOnce(parameters.bytes, associated: th2)
        return Established(sessionIdentifier: sessionIdentifier, sealed: sealed).bytes
    }

    // MARK: - Records

    private func key(sending: Bool) throws -> AEADKey {
        guard let secrets else { throw CryptoError.malformedKey }
        return try AEADKey(sending == isInitiator ? secrets.initiator : secrets.responder)
    }

    /// A record to the node; header fields may be wrong on purpose.
    mutating func record(
        _ kind: UInt8, _ content: [UInt8], epoch: UInt8? = nil, lane: UInt8 = 0, counter: UInt64? = nil,
        index: UInt32? = nil
    ) throws -> [UInt8] {
        let number = counter ?? self.counter
        if counter == nil { self.counter += 1 }
        var bytes = [UInt8](repeating: 0, count: RecordHeader.byteCount) + [kind] + content
        bytes += [UInt8](repeating: 0, count: 16)
        var mutable = bytes.mutableSpan
        var span = mutable.mutableRawBytes
        RecordHeader(epoch: epoch ?? self.epoch, lane: lane, receiverIndex: index ?? remoteIndex, counter: number)
            .write(to: &span)
        try key(sending: true).seal(
            &span, headerByteCount: RecordHeader.byteCount, contentByteCount: content.count + 1,
            nonceHigh: UInt32(lane) << 24, nonceLow: number)
        return bytes
    }

    /// What a record of the node says; `nil` when it is not for this session and epoch.
    func open(_ record: [UInt8]) throws -> (header: RecordHeader, kind: UInt8, content: [UInt8])? {
        guard let header = try? RecordHeader(parsing: record.span.rawBytes), header.receiverIndex == localIndex else {
            return nil
        }
        var copy = record
        var mutable = copy.mutableSpan
        var span = mutable.mutableRawBytes
        guard
            let count = try key(sending: false).open(
                &span, headerByteCount: RecordHeader.byteCount, nonceHigh: 0, nonceLow: header.counter), count > 0
        else { return nil }
        return (header, copy[16], Array(copy[17..<16 + count]))
    }

    /// Records that carry stream bytes.
    mutating func stream(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var records: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(1000))
            rest = rest.dropFirst(part.count)
            let segment = StreamSegment(transmission: transmission, offset: streamOffset, data: part)
            transmission += 1
            streamOffset += UInt64(part.count)
            records.append(try record(ContentKind.streamSegment.rawValue, segment.bytes))
        }
        return records
    }

    // MARK: - Rotation

    private func binding(_ epoch: UInt8) throws -> [UInt8] {
        guard let secrets else { throw CryptoError.malformedKey }
        return KeyDerivation.expand(
            secrets.chain, label: "shadowmesh v1 rekey binding", context: sessionIdentifier + [epoch], byteCount: 64
        ).exposed()
    }

    mutating func rekeyRequest(epoch: UInt8? = nil, _ flaw: Flaw = .none) throws -> RekeyRequest {
        let epoch = epoch ?? self.epoch &+ 1
        let pair = try EncapsulationKeyPair(seed: Secret(entropy.bytes(count: 64)))
        let agreement = try AgreementKey(secret: Secret(entropy.bytes(count: 32)))
        var request = RekeyRequest(epoch: epoch, encapsulationKey: pair.encapsulationKey, share: agreement.share)
        request.signature = Self.spoil(
            try identity.sign(.rekeyRequest, over: Digest.sha512(binding(epoch), request.signedBytes)), flaw)
        keyPairOfRekey = (pair, agreement, request.bytes)
        return request
    }

    mutating func finishRekey(_ reply: RekeyReply) throws {
        guard let secrets, let (pair, agreement, request) = keyPairOfRekey else { throw CryptoError.malformedKey }
        try target.verify(
            reply.signature, .rekeyReply,
            over: Digest.sha512(binding(reply.epoch), request, reply.signedBytes))
        let chain = KeyDerivation.extract(
            salt: secrets.chain,
            inputs: [try pair.decapsulate(reply.ciphertext), try agreement.agree(with: reply.share)])
        let context = Digest.sha512(sessionIdentifier, [reply.epoch], request, reply.bytes)
        self.secrets = EpochSecrets(
            initiator: KeyDerivation.expand(
                chain, label: "shadowmesh v1 record initiator", context: context, byteCount: 32),
            responder: KeyDerivation.expand(
                chain, label: "shadowmesh v1 record responder", context: context, byteCount: 32),
            chain: chain)
        epoch = reply.epoch
    }
}
