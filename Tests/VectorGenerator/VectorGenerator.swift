import Foundation
import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire

/// Writes the test vectors into the directory that is named, `Tests/Vectors` when none is.
@main
struct VectorGenerator {
    static func main() throws {
        let directory = CommandLine.arguments.dropFirst().first ?? "Tests/Vectors"
        let cast = try Cast()
        let initiatorIndex: UInt32 = 0x1A2B_3C4D
        let responderIndex: UInt32 = 0x5E6F_7081
        let plain = try HandshakeVector(
            name: "plain", initiator: cast.alice, responder: cast.bob,
            initiatorParameters: Parameters.plain(cast.alice, index: initiatorIndex).bytes,
            responderParameters: Parameters.plain(cast.bob, index: responderIndex).bytes)
        let extended = try HandshakeVector(
            name: "extended", initiator: cast.bob, responder: cast.alice,
            initiatorParameters: Parameters.extended(Parameters.full(cast.bob, index: 1, relay: cast.relay.id)),
            responderParameters: Parameters.full(cast.alice, index: .max, relay: cast.relay.id).bytes)
        let rotation = try Rotation(plain)
        let records = Records(
            initiatorIndex: initiatorIndex, responderIndex: responderIndex, epochs: [plain.epoch, rotation.secrets])
        let relay = try RelayMessages(cast)
        let refusals = Refusals(
            cast: cast, handshake: plain, records: records, rotation: rotation, relay: relay)

        let files: [(name: String, content: JSON)] = [
            ("identities", try cast.file()),
            ("parameters", try Parameters.file(cast)),
            (
                "handshakes",
                .list([
                    try plain.entry(initiatorName: "alice", responderName: "bob"),
                    try extended.entry(initiatorName: "bob", responderName: "alice"),
                ])
            ),
            ("records", try records.file(cast)),
            ("rotation", rotation.file()),
            ("relay", try relay.file()),
            ("paths", try Paths(cast: cast, records: records).file()),
            ("superframes", SuperframeVectors.file),
            ("refusals", try refusals.file()),
        ]
        for file in files {
            try Data((file.content.rendered() + "\n").utf8).write(to: URL(filePath: "\(directory)/\(file.name).json"))
        }
    }
}
