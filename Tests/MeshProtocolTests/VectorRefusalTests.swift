import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite("What the committed vectors call bad is refused for the listed reason")
struct VectorRefusalTests {
    private let cast: VectorCast
    private let file: VectorValue
    private let now = Instant(nanoseconds: 1_000_000_000)

    init() throws {
        cast = try VectorCast()
        file = try VectorValue.file("refusals")
    }

    /// The vectors' word for a failure.
    static func word(_ failure: HandshakeFailure) -> String {
        switch failure {
        case .malformed: "malformed"
        case .refused(.badSignature, _): "bad_signature"
        case .refused(.badTag, _): "bad_tag"
        case .refused(.weakShare, _): "weak_share"
        case .refused(.malformedKey, _): "malformed_key"
        case .wrongIdentity: "wrong_identity"
        case .wrongRelayKey: "wrong_relay_key"
        case .relayKeyExpired: "relay_key_expired"
        default: "\(failure)"
        }
    }

    private func refusal(_ body: () throws -> Void) throws -> String {
        do { try body() } catch let failure as HandshakeFailure { return Self.word(failure) } catch is WireError {
            return "malformed"
        } catch is Unexpected { return "unexpected" }
        return "accepted"
    }

    /// A message of another handshake than the one under way.
    private struct Unexpected: Error {}

    @Test("HELLO")
    func hello() throws {
        for entry in try file["hello"].list {
            let bytes = try entry["bytes"].bytes
            let expected = try entry["refusal"].text
            let name = try entry["name"].text
            let (refusals, work) = try receivedByNode(bytes, channel: entry.optional("channel")?.text ?? "alice")
            switch expected {
            case "malformed": #expect(refusals == [.malformedMessage: 1], "\(name)")
            case "not_for_us": #expect(refusals == [.notForUs: 1], "\(name)")
            case "wrong_source": #expect(refusals == [.wrongSource: 1], "\(name)")
            case "own_identity": #expect(refusals == [.ownIdentity: 1], "\(name)")
            case "unknown_peer": #expect(refusals == [.unknownPeer: 1], "\(name)")
            default:
                // What is cheap to check is in order: the signatures decide.
                guard case .failed(let failure) = try #require(work).run() else {
                    Issue.record("\(name) was accepted")
                    continue
                }
                #expect(Self.word(failure) == expected, "\(name)")
            }
        }
    }

    /// Bob gets the bytes by a direct connection that is alice's, or nobody's as far as he knows.
    private func receivedByNode(
        _ bytes: [UInt8], channel: String
    ) throws -> (refusals: [NodeRefusal: UInt64], work: Work?) {
        var configuration = Node.Configuration(
            identity: try cast["bob"], peers: [try cast["alice"].id], relays: [],
            parameters: SessionParameters(
                sessionIndex: 0, mtu: 1400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
                supportsDirect: true, resetToken: []))
        configuration.dialledPeers = []
        var node = Node(configuration, entropy: .seeded(1), at: now)
        var actions: [NodeAction] = []
        node.directOpened(1, peer: channel == "alice" ? 0 : nil, nowSeconds: 1, at: now, actions: &actions)
        actions = []
        node.received(bytes.span.rawBytes, by: .direct(1), at: now, actions: &actions)
        var found: Work?
        for case .work(_, let work) in actions { found = work }
        return (node.messageRefusals, found)
    }

    @Test("CHALLENGE")
    func challenge() throws {
        let handshake = try VectorHandshake.plain(cast)
        for entry in try file["challenge"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            let found = try refusal {
                let challenge = try Challenge(parsing: bytes.span.rawBytes)
                guard challenge.helloNonce == handshake.hello.nonce else { throw Unexpected() }
                _ = try handshake.answer(challenge: bytes).run()
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("RESPONSE")
    func response() throws {
        let handshake = try VectorHandshake.plain(cast)
        for entry in try file["response"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            let hello = try entry.optional("hello")?.parsed { try Hello(parsing: $0) }
            let challenge = try entry.optional("challenge")?.parsed { try Challenge(parsing: $0) }
            let found = try refusal {
                let response = try Response(parsing: bytes.span.rawBytes)
                let expected = (challenge ?? handshake.challenge).sessionIdentifier
                guard response.sessionIdentifier == expected else { throw Unexpected() }
                _ = try handshake.answer(bytes, hello: hello, challenge: challenge).run()
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("ESTABLISHED")
    func established() throws {
        let handshake = try VectorHandshake.plain(cast)
        for entry in try file["established"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            let found = try refusal {
                let established = try Established(parsing: bytes.span.rawBytes)
                guard established.sessionIdentifier == handshake.challenge.sessionIdentifier else { throw Unexpected() }
                _ = try handshake.awaitingEstablished().open(established)
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("records")
    func records() throws {
        let handshake = try VectorHandshake.plain(cast)
        for entry in try file["record"].list {
            let name = try entry["name"].text
            var session = try handshake.responderSession(at: now)
            for before in try entry["before"].list {
                let found = try open(before.bytes, in: &session)
                #expect(found == "accepted")
            }
            let found = try open(entry["bytes"].bytes, in: &session)
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    private func open(_ record: [UInt8], in session: inout Session) throws -> String {
        guard let header = try? RecordHeader(parsing: record.span.rawBytes) else { return "malformed" }
        guard header.receiverIndex == session.localIndex else { return "unknown_session" }
        var bytes = record
        var rotated = false
        do {
            let (kind, content) = try VectorTests.edit(&bytes) {
                try session.open(&$0, header: header, at: now, rotated: &rotated)
            }
            return Self.isWellFormed(kind, Array(bytes[content])) ? "accepted" : "malformed_content"
        } catch let refusal as RecordRefusal {
            return String(refusal.rawValue.dropFirst("record_".count))
        }
    }

    /// Whether control content parses; nothing was sent, so no acknowledgement beyond 0 is.
    static func isWellFormed(_ kind: ContentKind, _ content: [UInt8]) -> Bool {
        let span = content.span.rawBytes
        switch kind {
        case .frame: return true
        case .superframeSlice: return (try? SuperframeSlice(parsing: span)) != nil
        case .frameSlice: return (try? FrameSlice(parsing: span)) != nil
        case .ping, .pong: return (try? Probe(parsing: span)) != nil
        case .streamSegment: return (try? StreamSegment(parsing: span)) != nil
        case .streamAcknowledgement: return (try? StreamAcknowledgement(parsing: span))?.nextOffset == 0
        case .pathEnd: return (try? PathEnd(parsing: span)) != nil
        case .pathChallenge: return (try? PathChallenge(parsing: span)) != nil
        case .pathAnswer: return (try? PathAnswer(parsing: span)) != nil
        case .poll: return (try? PathPoll(parsing: span)) != nil
        case .pollAnswer: return (try? PathPollAnswer(parsing: span)) != nil
        }
    }

    @Test("RESET")
    func reset() throws {
        let handshake = try VectorHandshake.plain(cast)
        let established = try handshake.value["established"].parsed { try Established(parsing: $0) }
        let remote = try handshake.awaitingEstablished().open(established).remoteParameters
        for entry in try file["reset"].list {
            let name = try entry["name"].text
            var isObeyed = false
            let found = try refusal {
                let reset = try entry["bytes"].parsed { try SessionReset(parsing: $0) }
                isObeyed = reset.sessionIndex == remote.sessionIndex && reset.token == remote.resetToken
            }
            #expect(!isObeyed, "\(name)")
            #expect(try found == (entry["refusal"].text == "ignored" ? "accepted" : "malformed"), "\(name)")
        }
    }

    @Test("NO_SESSION")
    func noSession() throws {
        let index = try VectorValue.file("records")["responder_session_index"].number
        for entry in try file["no_session"].list {
            let name = try entry["name"].text
            var isObeyed = false
            let found = try refusal {
                let message = try entry["bytes"].parsed { try NoSession(parsing: $0) }
                isObeyed = UInt64(message.sessionIndex) == index
            }
            #expect(!isObeyed, "\(name)")
            #expect(try found == (entry["refusal"].text == "ignored" ? "accepted" : "malformed"), "\(name)")
        }
    }

    @Test("items that do not fit their message")
    func items() throws {
        for entry in try file["items"].list {
            let name = try entry["name"].text
            let message = try entry["bytes"].bytes
            let isRelay = try entry["relay"].flag
            let found = try refusal {
                var offset = 0
                while let place = try CarrierItem.next(in: message.span.rawBytes, at: offset, fromRelay: isRelay) {
                    offset = place.payload.upperBound
                }
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("the relay's proof")
    func relayChallenge() throws {
        let relay = try VectorValue.file("relay")
        for entry in try file["relay_challenge"].list {
            let name = try entry["name"].text
            guard case .challenge(let challenge) = try entry["bytes"].parsed({ try RelayMessage(parsing: $0) }) else {
                Issue.record("no challenge")
                continue
            }
            let found = try refusal {
                _ = try ProveToRelay(
                    identity: cast["alice"], relay: cast["relay"].id, seenKeyHash: relay["spki_hash"].bytes,
                    nowSeconds: relay["now_seconds"].number, challenge: challenge, instance: relay["instance"].bytes,
                    token: []
                ).run()
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("the client's proof")
    func relayProof() throws {
        let relay = try VectorValue.file("relay")
        for entry in try file["relay_proof"].list {
            let name = try entry["name"].text
            guard case .proof(let proof) = try entry["bytes"].parsed({ try RelayMessage(parsing: $0) }) else {
                Issue.record("no proof")
                continue
            }
            let found = try refusal {
                _ = try AdmitClient(
                    relay: cast["relay"].id, keyHash: relay["spki_hash"].bytes,
                    challenge: relay["challenge_nonce"].bytes, proof: proof
                ).run()
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }
}
