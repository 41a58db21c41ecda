import MeshBase
import MeshCrypto
import MeshWire

/// The parameter blocks of the handshakes, and blocks that are refused.
enum Parameters {
    /// Only what is required, with the ends of the ranges.
    static func plain(_ identity: Identity, index: UInt32) -> SessionParameters {
        SessionParameters(
            sessionIndex: index, mtu: 1400, heartbeatIntervalSeconds: 15, keyRotationIntervalSeconds: 300,
            supportsDirect: false, resetToken: identity.resetToken(for: index))
    }

    /// Everything there is.
    static func full(_ identity: Identity, index: UInt32, relay: PeerID) -> SessionParameters {
        var result = plain(identity, index: index)
        result.mtu = 65_521
        result.heartbeatIntervalSeconds = 300
        result.keyRotationIntervalSeconds = 86_400
        result.supportsDirect = true
        result.superframeKinds = 3
        result.homeRelays = [.init(id: relay, url: "wss://relay.example:443/shadowmesh/v1")]
        let addresses: [[UInt8]] = [
            [192, 0, 2, 7], [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        ]
        result.candidates = addresses.compactMap { IPAddress(bytes: $0) }.map {
            Candidate(source: .configured, transport: .webSocket, endpoint: Endpoint(address: $0, port: 8443))
        }
        return result
    }

    static func field(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        var writer = WireWriter(capacity: 4 + value.count)
        writer.write(type)
        writer.write(UInt16(value.count))
        writer.write(value)
        return writer.bytes
    }

    /// A block as a later release may send it: an unknown type first, and a candidate of an unknown transport last.
    static func extended(_ parameters: SessionParameters) -> [UInt8] {
        field(0x7777, [1, 2, 3]) + parameters.bytes + field(10, [1, 9, 4, 0, 1, 192, 0, 2, 8])
    }

    /// Blocks that must be refused, each with its reason in words.
    static func refused(_ identity: Identity) -> [(name: String, bytes: [UInt8])] {
        let good = plain(identity, index: 7).bytes
        // Offsets in `good`: type 1 at 0, type 2 at 8, type 3 at 14, type 4 at 20, type 5 at 28.
        return [
            ("session index 0", Array(field(1, [0, 0, 0, 0]) + good[8...])),
            ("session index missing", Array(good[8...])),
            ("session index of 3 bytes", Array(field(1, [0, 0, 1]) + good[8...])),
            ("session index of 5 bytes", Array(field(1, [0, 0, 0, 0, 1]) + good[8...])),
            ("session index twice", good + field(1, [0, 0, 0, 8])),
            ("MTU 575", Array(good[..<8] + field(2, [0x02, 0x3F]) + good[14...])),
            ("MTU 65,522", Array(good[..<8] + field(2, [0xFF, 0xF2]) + good[14...])),
            ("heartbeat 0 s", Array(good[..<14] + field(3, [0, 0]) + good[20...])),
            ("heartbeat 301 s", Array(good[..<14] + field(3, [0x01, 0x2D]) + good[20...])),
            ("rotation 0 s", Array(good[..<20] + field(4, [0, 0, 0, 0]) + good[28...])),
            ("rotation 86,401 s", Array(good[..<20] + field(4, [0, 1, 0x51, 0x81]) + good[28...])),
            ("0 lanes", Array(good[..<33] + field(6, [0]) + good[38...])),
            ("truncated value", Array(good.dropLast())),
            ("home relay with a control character", good + field(9, identity.id.bytes + [0x77, 0x0A])),
            ("home relay of 256 bytes", good + field(9, identity.id.bytes + [UInt8](repeating: 0x61, count: 256))),
            ("nine home relays", good + (0..<9).flatMap { _ in field(9, identity.id.bytes + [0x61]) }),
            ("33 candidates", good + (0..<33).flatMap { field(10, [1, 2, 4, 0, 1, 192, 0, 2, UInt8($0)]) }),
        ]
    }

    /// Candidates of kinds that a later release may add, or that do not parse.
    static let skipped: [(name: String, bytes: [UInt8])] = [
        ("of source 5", [5, 1, 4, 0, 1, 192, 0, 2, 8]),
        ("of transport 9", [1, 9, 4, 0, 1, 192, 0, 2, 8]),
        ("of family 5", [1, 1, 5, 0, 1, 192, 0, 2, 8]),
        ("a byte too long", [1, 1, 4, 0, 1, 192, 0, 2, 8, 0]),
        ("a byte too short", [1, 1, 4, 0, 1, 192, 0, 2]),
    ]

    /// The same fields, the last first.
    private static func reversed(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var offset = 0
        while offset < bytes.count {
            let end = offset + 4 + Int(bytes[offset + 2]) << 8 + Int(bytes[offset + 3])
            result = bytes[offset..<end] + result
            offset = end
        }
        return result
    }

    static func file(_ cast: Cast) throws -> JSON {
        let required = plain(cast.alice, index: 0x0102_0304).bytes
        // Types 6 and 7 lie at 33 and 38 and have 5 bytes each.
        let withoutDefaults = Array(required[..<33] + required[43...])
        var accepted: [(String, [UInt8])] = [
            ("required only", required),
            ("everything", full(cast.alice, index: .max, relay: cast.relay.id).bytes),
            ("with unknown parts", extended(full(cast.bob, index: 1, relay: cast.relay.id))),
            ("types 6 and 7 absent", withoutDefaults),
            ("in reverse order", reversed(required)),
            ("takes direct paths: 255", Array(required[..<32] + [0xFF] + required[33...])),
        ]
        for (name, bytes) in skipped { accepted.append(("to skip: a candidate \(name)", required + field(10, bytes))) }
        let most = (0..<32).flatMap { field(10, [1, 2, 4, 0, 1, 192, 0, 2, UInt8($0)]) }
        let uncounted = skipped.flatMap { field(10, $0.bytes) }
        accepted.append(("to skip: candidates before and behind 32 good ones", required + uncounted + most + uncounted))
        return .object([
            (
                "accepted",
                .list(
                    try accepted.map { name, bytes in
                        .object([
                            ("name", .text(name)), ("bytes", .bytes(bytes)),
                            (
                                "encodes_again",
                                .flag(try SessionParameters(parsing: bytes.span.rawBytes).bytes == bytes)
                            ),
                            ("decoded", try HandshakeVector.decoded(bytes)),
                        ])
                    })
            ),
            (
                "refused",
                .list(refused(cast.alice).map { .object([("name", .text($0.name)), ("bytes", .bytes($0.bytes))]) })
            ),
        ])
    }
}
