import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite("The committed vectors agree with this implementation")
struct VectorTests {
    private let cast: VectorCast

    init() throws { cast = try VectorCast() }

    @Test("seeds give the listed keys, peer IDs and reset tokens")
    func identities() throws {
        let file = try VectorValue.file("identities")
        for entry in try file["identities"].list {
            let identity = try cast[entry["name"].text]
            #expect(try identity.publicIdentity.bytes == entry["public_identity"].bytes)
            #expect(try identity.id.bytes == entry["peer_id"].bytes)
            #expect(try identity.id.description == entry["peer_id_text"].text)
            for text in ["peer_id_text", "peer_id_text_upper_case"] {
                #expect(try PeerID(text: entry[text].text) == identity.id)
            }
            for token in try entry["reset_tokens"].list {
                let index = UInt32(try token["session_index"].number)
                #expect(try identity.resetToken(for: index) == token["token"].bytes)
            }
        }
        for entry in try file["refused_texts"].list {
            let name = try entry["name"].text
            #expect(PeerID(text: try entry["text"].text) == nil, "\(name)")
        }
        #expect(try file["signatures"].list.count == SignaturePurpose.allCases.count)
        for entry in try file["signatures"].list {
            let purpose = try #require(SignaturePurpose(rawValue: try entry["context"].text))
            try cast[entry["signer"].text].publicIdentity.verify(
                entry["signature"].bytes, purpose, over: entry["data"].bytes)
        }
    }

    @Test("parameters decode as listed, encode again to the same bytes, and bad ones are refused")
    func parameters() throws {
        let file = try VectorValue.file("parameters")
        for entry in try file["accepted"].list {
            let bytes = try entry["bytes"].bytes
            let parameters = try SessionParameters(parsing: bytes.span.rawBytes)
            let decoded = try entry["decoded"]
            #expect(try UInt64(parameters.sessionIndex) == decoded["session_index"].number)
            #expect(try UInt64(parameters.mtu) == decoded["mtu"].number)
            #expect(try UInt64(parameters.lanes) == decoded["lanes"].number)
            #expect(try UInt64(parameters.superframeKinds) == decoded["superframe_kinds"].number)
            #expect(try parameters.supportsDirect == decoded["supports_direct"].flag)
            #expect(try parameters.resetToken == decoded["reset_token"].bytes)
            #expect(try parameters.homeRelays.count == decoded["home_relays"].list.count)
            #expect(try parameters.candidates.count == decoded["candidates"].list.count)
            for (candidate, listed) in zip(parameters.candidates, try decoded["candidates"].list) {
                try Self.expect(candidate, is: listed)
            }
            #expect(try (parameters.bytes == bytes) == entry["encodes_again"].flag)
        }
        for entry in try file["refused"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            #expect(throws: WireError.self, "\(name)") {
                try SessionParameters(parsing: bytes.span.rawBytes)
            }
        }
    }

    static func expect(_ candidate: Candidate, is listed: VectorValue) throws {
        #expect(try UInt64(candidate.source.rawValue) == listed["source"].number)
        #expect(try UInt64(candidate.transport.rawValue) == listed["transport"].number)
        #expect(try candidate.endpoint.address.bytes == listed["address"].bytes)
        #expect(try UInt64(candidate.endpoint.port) == listed["port"].number)
    }

    /// The segments that carry a stream of these bytes.
    static func segments(of bytes: [UInt8]) -> [StreamSegment] {
        stride(from: 0, to: bytes.count, by: 1000).enumerated().map { number, offset in
            StreamSegment(
                transmission: UInt32(number), offset: UInt64(offset),
                data: Array(bytes[offset..<min(offset + 1000, bytes.count)]))
        }
    }

    @Test("each message, hash and key of the handshakes comes out as listed", arguments: [0, 1])
    func handshakes(index: Int) throws {
        let vector = try VectorHandshake(VectorValue.file("handshakes").list[index], cast)
        let value = vector.value
        #expect(try vector.hello.bytes == value["hello"].bytes)
        #expect(try vector.challenge.bytes == value["challenge"].bytes)
        #expect(vector.hello.share == vector.initiatorAgreement.share)
        #expect(vector.challenge.share == vector.responderAgreement.share)
        #expect(vector.challenge.encapsulationKey == vector.keyPair.encapsulationKey)
        #expect(try Transcript.hello(vector.hello.signedBytes) == value["hello_signed_hash"].bytes)
        try vector.initiator.publicIdentity.verify(
            vector.hello.signature, .hello, over: value["hello_signed_hash"].bytes)
        try vector.responder.publicIdentity.verify(
            vector.challenge.signature, .challenge, over: value["challenge_signed_hash"].bytes)

        let response = try value["response"].parsed({ try Response(parsing: $0) })
        let kemSecret = try vector.keyPair.decapsulate(response.ciphertext)
        #expect(try kemSecret.exposed() == value["ml_kem_secret"].bytes)
        let agreementSecret = try vector.responderAgreement.agree(with: vector.hello.share)
        #expect(try agreementSecret.exposed() == value["x25519_secret"].bytes)
        let th1 = Transcript.th1(
            hello: vector.hello.bytes, challenge: vector.challenge.bytes, ciphertext: response.ciphertext)
        #expect(try th1 == value["th1"].bytes)
        let keys = HandshakeKeys(kemSecret: kemSecret, agreementSecret: agreementSecret, th1: th1)
        #expect(try keys.pseudorandomKey.exposed() == value["prk"].bytes)
        let content = try keys.responseKey().openOnce(response.sealed, associated: th1)
        #expect(try content == value["response_content"].bytes)
        #expect(try AEADKey(value["response_key"].secret).openOnce(response.sealed, associated: th1) == content)
        #expect(try Transcript.th2(th1: th1, sealed: response.sealed) == value["th2"].bytes)

        let answered = try vector.answer(value["response"].bytes).run()
        #expect(try answered.bytes == value["established"].bytes)
        try expect(answered.secrets.epoch, isThatOf: value)
        let established = try value["established"].parsed({ try Established(parsing: $0) })
        let opened = try vector.awaitingEstablished().open(established)
        try expect(opened.epoch, isThatOf: value)
        #expect(opened.remoteParameters == answered.secrets.localParameters)
        #expect(opened.localParameters == answered.secrets.remoteParameters)
    }

    private func expect(_ epoch: EpochSecrets, isThatOf value: VectorValue) throws {
        #expect(try epoch.initiator.exposed() == value["record_key_initiator"].bytes)
        #expect(try epoch.responder.exposed() == value["record_key_responder"].bytes)
        #expect(try epoch.chain.exposed() == value["chain_secret_0"].bytes)
    }

    @Test("the rotation's messages, secrets and keys come out as listed")
    func rotation() throws {
        let value = try VectorValue.file("rotation")
        let vector = try VectorHandshake.plain(cast)
        let transcript = RekeyTranscript(
            chain: try value["chain_secret_0"].secret, sessionIdentifier: try value["session_id"].bytes, epoch: 1)
        #expect(try transcript.binding == value["binding"].bytes)
        guard
            case .rekeyRequest(let request) = try value["request_body"].parsed({ try StreamMessage(type: 1, body: $0) }),
            case .rekeyReply(let reply) = try value["reply_body"].parsed({ try StreamMessage(type: 2, body: $0) })
        else {
            Issue.record("the bodies are no rekey messages")
            return
        }
        #expect(try transcript.request(request.signedBytes) == value["request_signed_hash"].bytes)
        #expect(
            try transcript.reply(request: request.bytes, signedBytes: reply.signedBytes)
                == value["reply_signed_hash"].bytes)
        _ = try AnswerRekeyRequest(
            identity: vector.responder, remoteIdentity: vector.initiator.publicIdentity, transcript: transcript,
            request: request, agreementSecret: value["responder_x25519_private"].secret
        ).run()
        let pending = MakeRekeyRequest.Result(
            request: request, keyPair: try EncapsulationKeyPair(seed: value["initiator_ml_kem_seed"].secret),
            agreement: try AgreementKey(secret: value["initiator_x25519_private"].secret))
        let secrets = try FinishRekey(
            remoteIdentity: vector.responder.publicIdentity, transcript: transcript, pending: pending, reply: reply
        ).run()
        #expect(try secrets.initiator.exposed() == value["record_key_initiator"].bytes)
        #expect(try secrets.responder.exposed() == value["record_key_responder"].bytes)
        #expect(try secrets.chain.exposed() == value["chain_secret_1"].bytes)
    }

    @Test(
        "the control stream's segments give its messages in any order",
        arguments: ["initiator_stream", "responder_stream"])
    func controlStream(name: String) throws {
        let value = try VectorValue.file("rotation")[name]
        let expected = try value["messages"].list.map { try $0.bytes }
        let segments = try value["segments"].list.map { segment in
            try segment.parsed({ try StreamSegment(parsing: $0.extracting(1...)) })
        }
        var stream = ControlStream()
        var messages: [StreamMessage] = []
        for (segment, acknowledgement) in zip(segments, try value["acknowledgements"].list) {
            let answer = try #require(try stream.received(segment, messages: &messages))
            #expect(try [ContentKind.streamAcknowledgement.rawValue] + answer.bytes == acknowledgement.bytes)
        }
        #expect(messages.map(\.bytes) == expected)
        var reversed = ControlStream()
        messages = []
        for segment in segments.reversed() { _ = try reversed.received(segment, messages: &messages) }
        #expect(messages.map(\.bytes) == expected)
    }

    @Test("each record opens with the keys of its epoch and seals again to the same bytes")
    func records() throws {
        let file = try VectorValue.file("records")
        let rotation = try VectorValue.file("rotation")
        let plain = try VectorValue.file("handshakes").list[0]
        var windows = ["initiator": ReplayWindow(), "responder": ReplayWindow()]
        for entry in try file["records"].list {
            let header = try Self.open(entry, epochs: [plain, rotation]).header
            let sender = try entry["from"].text
            let isNew = windows[sender]?.insert(header.counter)
            #expect(isNew == true)
        }
    }

    /// Opens a listed record with the keys of its epoch and seals it again to the same bytes.
    static func open(
        _ entry: VectorValue, epochs: [VectorValue]
    ) throws -> Opened {
        let record = try entry["record"].bytes
        let header = try RecordHeader(parsing: record.span.rawBytes)
        #expect(try UInt64(header.epoch) == entry["epoch"].number)
        #expect(try UInt64(header.pathGeneration) == entry["path_generation"].number)
        #expect(try header.counter == entry["counter"].number)
        #expect(try UInt64(header.receiverIndex) == entry["receiver_index"].number)
        let key = try AEADKey(epochs[Int(header.epoch)]["record_key_\(entry["from"].text)"].secret)
        var opened = record
        let count = edit(&opened) { key.open(&$0, headerByteCount: 16, nonceHigh: 0, nonceLow: header.counter) }
        let content = try entry["content"].bytes
        #expect(count == content.count)
        #expect(Array(opened[16..<16 + content.count]) == content)
        edit(&opened) {
            key.seal(
                &$0, headerByteCount: 16, contentByteCount: content.count, nonceHigh: 0, nonceLow: header.counter)
        }
        #expect(opened == record)
        return Opened(header: header, content: content, record: record)
    }

    /// A listed record and its content, kind byte first.
    struct Opened {
        let header: RecordHeader
        let content: [UInt8]
        let record: [UInt8]

        /// Parses the content behind the kind byte.
        func parsed<Result>(_ parse: (RawSpan) throws -> Result) throws -> Result {
            let bytes = content
            return try parse(bytes.span.rawBytes.extracting(1...))
        }
    }

    static func edit<Result>(_ bytes: inout [UInt8], _ body: (inout MutableRawSpan) throws -> Result) rethrows -> Result
    {
        var elements = bytes.mutableSpan
        var span = elements.mutableRawBytes
        return try body(&span)
    }

    @Test("RESET, NO_SESSION and carrier messages are laid out as listed")
    func otherMessages() throws {
        let file = try VectorValue.file("records")
        let reset = try file["reset"]
        let index = UInt32(try reset["session_index"].number)
        let token = try cast[reset["sender"].text].resetToken(for: index)
        #expect(try SessionReset(sessionIndex: index, token: token).bytes == reset["bytes"].bytes)
        #expect(try NoSession(sessionIndex: index).bytes == file["no_session"]["bytes"].bytes)
        for (name, fromRelay) in [("relay_message", true), ("direct_message", false)] {
            let message = try file[name]["bytes"].bytes
            var offset = 0
            for item in try file[name]["items"].list {
                let place = try #require(
                    try CarrierItem.next(in: message.span.rawBytes, at: offset, fromRelay: fromRelay))
                #expect(try Array(message[place.payload]) == item.bytes)
                #expect(place.channel == (fromRelay ? 7 : 0))
                offset = place.payload.upperBound
            }
            #expect(offset == message.count)
        }
    }

    @Test("relay and client accept each other's listed proofs, and the messages between them are laid out as listed")
    func relay() throws {
        let file = try VectorValue.file("relay")
        let relay = try cast[file["relay"].text]
        guard case .challenge(let challenge) = try file["challenge"].parsed({ try RelayMessage(parsing: $0) }),
            case .proof(let proof) = try file["proof"].parsed({ try RelayMessage(parsing: $0) })
        else {
            Issue.record("the messages are no proofs")
            return
        }
        #expect(
            try RelayTranscript.relay(keyHash: challenge.keyHash, notAfterSeconds: challenge.notAfterSeconds)
                == file["relay_signed_hash"].bytes)
        _ = try ProveToRelay(
            identity: cast[file["client"].text], relay: relay.id, seenKeyHash: file["spki_hash"].bytes,
            nowSeconds: file["now_seconds"].number, challenge: challenge, instance: proof.instance, token: proof.token
        ).run()
        let admitted = try AdmitClient(
            relay: relay.id, keyHash: file["spki_hash"].bytes, challenge: challenge.challenge, proof: proof
        ).run()
        #expect(try admitted == cast[file["client"].text].id)
        for entry in try file["messages"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            let message = try RelayMessage(parsing: bytes.span.rawBytes)
            #expect(message.bytes == bytes, "\(name)")
            if case .welcome(let welcome) = message { try expect(welcome, is: entry["decoded"]) }
        }
        for entry in try file["malformed"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            #expect(throws: WireError.self, "\(name)") {
                try RelayMessage(parsing: bytes.span.rawBytes)
            }
        }
    }

    private func expect(_ welcome: RelayWelcome, is listed: VectorValue) throws {
        #expect(try welcome.observedEndpoint.address.bytes == listed["address"].bytes)
        #expect(try UInt64(welcome.observedEndpoint.port) == listed["port"].number)
        #expect(try UInt64(welcome.stunPort) == listed["stun_port"].number)
        #expect(try UInt64(welcome.payloadByteCountMax) == listed["payload_byte_count_max"].number)
        #expect(try UInt64(welcome.peersMax) == listed["peers_max"].number)
    }
}
