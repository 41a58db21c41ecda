import MeshBase
import MeshCrypto

/// Who takes part in the vectors, and where their secrets come from.
struct Cast {
    /// The initiator.
    let alice: Identity
    /// The responder.
    let bob: Identity
    /// Somebody else with valid keys.
    let mallory: Identity
    /// The relay.
    let relay: Identity

    init() throws {
        alice = try Self.identity("alice")
        bob = try Self.identity("bob")
        mallory = try Self.identity("mallory")
        relay = try Self.identity("relay")
    }

    var all: [(name: String, identity: Identity)] {
        [("alice", alice), ("bob", bob), ("mallory", mallory), ("relay", relay)]
    }

    /// 32 bytes that depend on the name only: SHA-256 of "shadowmesh test vectors: " and the name.
    static func bytes32(_ name: String) -> [UInt8] { Digest.sha256(Array("shadowmesh test vectors: \(name)".utf8)) }

    /// 64 bytes that depend on the name only.
    static func bytes64(_ name: String) -> [UInt8] { Digest.sha512(Array("shadowmesh test vectors: \(name)".utf8)) }

    static func bytes16(_ name: String) -> [UInt8] { Array(bytes32(name).prefix(16)) }

    private static func identity(_ name: String) throws -> Identity {
        try Identity(
            mldsaSeed: Secret(bytes32("\(name) ML-DSA-87 seed")), ed25519Seed: Secret(bytes32("\(name) Ed25519 seed")))
    }

    /// The file of identities.
    func file() throws -> JSON {
        .object([
            ("identities", .list(all.map(Self.entry))),
            ("refused_texts", .list(refusedTexts.map { .object([("name", .text($0)), ("text", .text($1))]) })),
            ("signatures", .list(try SignaturePurpose.allCases.map(signature))),
        ])
    }

    /// Texts that are no peer ID.
    private var refusedTexts: [(name: String, text: String)] {
        let good = alice.id.description
        // The last character stands for one bit and four of padding: of a pair of letters, the second has padding set.
        let padded = good.hasSuffix("a") ? "b" : "r"
        return [
            ("the lowest padding bit is set", good.dropLast() + padded),
            ("the highest padding bit is set", good.dropLast() + (good.hasSuffix("a") ? "i" : "y")),
            ("51 characters", String(good.dropLast())), ("53 characters", good + "a"),
            ("with the digit 1", "1" + good.dropFirst()), ("with a hyphen", "-" + good.dropFirst()),
            ("with a padding character", good.dropLast() + "="),
        ]
    }

    private static func entry(_ name: String, _ identity: Identity) -> JSON {
        let indices: [UInt32] = [1, 0x0102_0304, .max]
        return .object([
            ("name", .text(name)),
            ("mldsa87_seed", .bytes(identity.seeds.mldsa.exposed())),
            ("ed25519_seed", .bytes(identity.seeds.ed25519.exposed())),
            ("public_identity", .bytes(identity.publicIdentity.bytes)),
            ("peer_id", .bytes(identity.id.bytes)),
            ("peer_id_text", .text(identity.id.description)),
            ("peer_id_text_upper_case", .text(identity.id.description.uppercased())),
            (
                "reset_tokens",
                .list(
                    indices.map { index in
                        .object([
                            ("session_index", .number(UInt64(index))),
                            ("token", .bytes(identity.resetToken(for: index))),
                        ])
                    })
            ),
        ])
    }

    private func signature(_ purpose: SignaturePurpose) throws -> JSON {
        let data = Self.bytes64("data for \(purpose.rawValue)")
        return .object([
            ("signer", "alice"),
            ("context", .text(purpose.rawValue)),
            ("data", .bytes(data)),
            ("signature", .bytes(try alice.sign(purpose, over: data))),
        ])
    }
}
