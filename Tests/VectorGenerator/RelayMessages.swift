import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// The messages between a client and its relay.
struct RelayMessages {
    static let nowSeconds: UInt64 = 1_760_000_000
    static let keyHash = Cast.bytes32("SPKI hash")
    static let instance = Cast.bytes16("instance")
    static let token = Array("a bearer token".utf8)

    let cast: Cast
    let challenge: RelayChallenge
    let proof: RelayProof

    init(_ cast: Cast) throws {
        self.cast = cast
        challenge = try Self.challenge(cast.relay, notAfterSeconds: Self.nowSeconds + 30 * 86_400)
        proof = RelayProof(
            clientIdentity: cast.alice.publicIdentity.bytes, instance: Self.instance,
            signature: try cast.alice.sign(
                .relayClient,
                over: RelayTranscript.client(
                    relay: cast.relay.id, keyHash: Self.keyHash, challenge: challenge.challenge,
                    client: cast.alice.id, instance: Self.instance)),
            token: Self.token)
    }

    static func challenge(_ relay: Identity, notAfterSeconds: UInt64) throws -> RelayChallenge {
        RelayChallenge(
            relayIdentity: relay.publicIdentity.bytes, keyHash: keyHash, notAfterSeconds: notAfterSeconds,
            signature: try relay.sign(
                .relayKey, over: RelayTranscript.relay(keyHash: keyHash, notAfterSeconds: notAfterSeconds)),
            challenge: Cast.bytes32("relay challenge"))
    }

    func file() throws -> JSON {
        .object([
            ("relay", "relay"),
            ("client", "alice"),
            ("now_seconds", .number(Self.nowSeconds)),
            ("spki_hash", .bytes(Self.keyHash)),
            ("not_after_seconds", .number(challenge.notAfterSeconds)),
            ("challenge_nonce", .bytes(challenge.challenge)),
            ("instance", .bytes(Self.instance)),
            ("token", .bytes(Self.token)),
            (
                "relay_signed_hash",
                .bytes(RelayTranscript.relay(keyHash: Self.keyHash, notAfterSeconds: challenge.notAfterSeconds))
            ),
            ("challenge", .bytes(RelayMessage.challenge(challenge).bytes)),
            (
                "client_signed_hash",
                .bytes(
                    RelayTranscript.client(
                        relay: cast.relay.id, keyHash: Self.keyHash, challenge: challenge.challenge,
                        client: cast.alice.id, instance: Self.instance))
            ),
            ("proof", .bytes(RelayMessage.proof(proof).bytes)),
            ("messages", .list(messages())),
            ("malformed", .list(malformed.map { .object([("name", .text($0.0)), ("bytes", .bytes($0.1))]) })),
        ])
    }

    private func welcome(_ address: [UInt8]) -> RelayMessage? {
        IPAddress(bytes: address).map {
            .welcome(
                RelayWelcome(
                    observedEndpoint: Endpoint(address: $0, port: 50_123), stunPort: 3478,
                    payloadByteCountMax: 65_535, peersMax: 256))
        }
    }

    private func messages() -> [JSON] {
        let version6: [UInt8] = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
        let named: [(String, RelayMessage?)] = [
            ("WELCOME, IPv4", welcome([198, 51, 100, 4])),
            ("WELCOME, IPv6", welcome(version6)),
            ("REFUSED, full", .refused(RelayRefusal(reason: .full))),
            ("REFUSED, not admitted", .refused(RelayRefusal(reason: .notAdmitted))),
            ("REFUSED, bad proof", .refused(RelayRefusal(reason: .badProof))),
            ("REFUSED, draining", .refused(RelayRefusal(reason: .draining))),
            ("REFUSED, protocol violation", .refused(RelayRefusal(reason: .protocolViolation))),
            ("REFUSED, timed out", .refused(RelayRefusal(reason: .timedOut))),
            ("NAME bob and mallory", .namePeers([cast.bob.id, cast.mallory.id])),
            ("FORGET mallory", .forgetPeers([cast.mallory.id])),
            ("OPENED channel 1 to bob", .channelOpened(channel: 1, peer: cast.bob.id)),
            ("CLOSED channel 1", .channelClosed(channel: 1)),
            ("DRAINING", .draining),
            ("REPLACED", .replaced(instance: Self.instance)),
        ]
        return named.compactMap { name, message in
            message.map {
                .object([
                    ("name", .text(name)), ("decoded", Self.decoded($0)), ("bytes", .bytes($0.bytes)),
                ])
            }
        }
    }

    /// The fields behind the type. Proofs are listed on their own.
    private static func decoded(_ message: RelayMessage) -> JSON {
        switch message {
        case .challenge, .proof, .draining: .object([])
        case .welcome(let welcome):
            .object([
                ("address", .bytes(welcome.observedEndpoint.address.bytes)),
                ("port", .number(UInt64(welcome.observedEndpoint.port))),
                ("stun_port", .number(UInt64(welcome.stunPort))),
                ("payload_byte_count_max", .number(UInt64(welcome.payloadByteCountMax))),
                ("peers_max", .number(UInt64(welcome.peersMax))),
            ])
        case .refused(let refusal): .object([("reason", .number(UInt64(refusal.reason.rawValue)))])
        case .namePeers(let peers), .forgetPeers(let peers):
            .object([("peers", .list(peers.map { .bytes($0.bytes) }))])
        case .channelOpened(let channel, let peer):
            .object([("channel", .number(UInt64(channel))), ("peer", .bytes(peer.bytes))])
        case .channelClosed(let channel): .object([("channel", .number(UInt64(channel)))])
        case .replaced(let instance): .object([("instance", .bytes(instance))])
        }
    }

    private var malformed: [(String, [UInt8])] {
        let challengeBytes = RelayMessage.challenge(challenge).bytes
        let proofBytes = RelayMessage.proof(proof).bytes
        return [
            ("empty", []),
            ("unknown type", [0x0B]),
            ("CHALLENGE of version 2", [1, 2] + challengeBytes[2...]),
            ("CHALLENGE cut short", challengeBytes.dropLast()),
            ("PROOF with a byte too many", proofBytes + [0]),
            ("PROOF with a token of 513 bytes", proofBytes[..<7332] + [2, 1] + [UInt8](repeating: 0, count: 513)),
            ("NAME of no peers", [5, 0, 0]),
            ("NAME of 257 peers", [5, 1, 1] + [UInt8](repeating: 9, count: 257 * 32)),
            ("REFUSED with an unknown reason", [4, 7]),
            ("DRAINING with a byte too many", [9, 0]),
            ("WELCOME with address family 5", [3, 5] + [UInt8](repeating: 0, count: 14)),
            ("WELCOME with address family 6 and 4 bytes of address", [3, 6] + [UInt8](repeating: 0, count: 14)),
            ("CLOSED with a channel of 3 bytes", [8, 0, 0, 1]),
        ]
    }
}
