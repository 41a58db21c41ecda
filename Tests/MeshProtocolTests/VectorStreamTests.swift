import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite("What the committed vectors call bad on a control stream is refused for the listed reason")
struct VectorStreamTests {
    private let file: VectorValue
    private let rotation: VectorValue
    private let handshake: VectorHandshake
    private let now = Instant(nanoseconds: 1_000_000_000)

    init() throws {
        file = try VectorValue.file("refusals")
        rotation = try VectorValue.file("rotation")
        handshake = try VectorHandshake.plain(VectorCast())
    }

    private func keyRotation(_ role: SessionSecrets.Role) throws -> KeyRotation {
        KeyRotation(
            role: role, sessionIdentifier: try rotation["session_id"].bytes,
            chain: try rotation["chain_secret_0"].secret, intervalMilliseconds: 1_000, at: now)
    }

    /// What the work for a rekey message comes to; there is none for a message that has no place.
    private func outcome(_ work: Work?) -> String {
        guard let work else { return "unexpected" }
        guard case .failed(let failure) = work.run() else { return "accepted" }
        return VectorRefusalTests.word(failure)
    }

    private func refusal(_ body: () throws -> String) throws -> String {
        do { return try body() } catch is WireError { return "malformed" }
    }

    private func answer(_ request: RekeyRequest, by role: SessionSecrets.Role) throws -> String {
        var rotation = try keyRotation(role)
        var entropy = EntropySource.seeded(1)
        return outcome(
            rotation.received(
                request, sendEpoch: 0, identity: handshake.responder,
                remoteIdentity: handshake.initiator.publicIdentity, entropy: &entropy))
    }

    @Test("rekey requests")
    func requests() throws {
        let entries = try file["rekey_request"].list
        #expect(!entries.isEmpty)
        for entry in entries {
            let name = try entry["name"].text
            let found = try refusal {
                let message = try entry["bytes"].parsed { try StreamMessage(type: 1, body: $0) }
                guard case .rekeyRequest(let request) = message else { return "no request" }
                return try answer(request, by: .responder)
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("rekey replies")
    func replies() throws {
        let entries = try file["rekey_reply"].list
        #expect(!entries.isEmpty)
        for entry in entries {
            let name = try entry["name"].text
            let found = try refusal {
                let message = try entry["bytes"].parsed { try StreamMessage(type: 2, body: $0) }
                guard case .rekeyReply(let reply) = message else { return "no reply" }
                var waiting = try awaitingReply()
                return outcome(waiting.received(reply, remoteIdentity: handshake.responder.publicIdentity))
            }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    /// The initiator after it sent the listed request.
    private func awaitingReply() throws -> KeyRotation {
        var result = try keyRotation(.initiator)
        var entropy = EntropySource.seeded(1)
        let due = now.advanced(milliseconds: 1_000)
        _ = result.start(sendEpoch: 0, identity: handshake.initiator, entropy: &entropy, at: due)
        guard
            case .rekeyRequest(let request) = try rotation["request_body"].parsed({
                try StreamMessage(type: 1, body: $0)
            })
        else { throw VectorFileError.wrongType }
        result.made(
            MakeRekeyRequest.Result(
                request: request, keyPair: try EncapsulationKeyPair(seed: rotation["initiator_ml_kem_seed"].secret),
                agreement: try AgreementKey(secret: rotation["initiator_x25519_private"].secret)), at: due)
        return result
    }

    @Test("messages of the stream")
    func streams() throws {
        for entry in try file["stream"].list {
            let name = try entry["name"].text
            let bytes = try entry["bytes"].bytes
            let role: SessionSecrets.Role = try entry["to"].text == "initiator" ? .initiator : .responder
            let found = try refusal { try received(bytes, by: role) }
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    private func received(_ bytes: [UInt8], by role: SessionSecrets.Role) throws -> String {
        var stream = ControlStream()
        var messages: [StreamMessage] = []
        for segment in VectorTests.segments(of: bytes) { _ = try stream.received(segment, messages: &messages) }
        switch messages.first {
        case .rekeyRequest(let request): return try answer(request, by: role)
        case .rekeyReply(let reply):
            var rotation = try keyRotation(role)
            return outcome(rotation.received(reply, remoteIdentity: handshake.responder.publicIdentity))
        default: return "accepted"
        }
    }

    @Test("segments at the window's end")
    func segments() throws {
        for entry in try file["segment"].list {
            let name = try entry["name"].text
            let segment = try entry["segment"].parsed { try StreamSegment(parsing: $0.extracting(1...)) }
            var stream = ControlStream()
            var messages: [StreamMessage] = []
            let answer = try stream.received(segment, messages: &messages)
            let bytes = answer.map { [ContentKind.streamAcknowledgement.rawValue] + $0.bytes } ?? []
            #expect(try bytes == entry["acknowledgement"].bytes, "\(name)")
        }
    }
}
