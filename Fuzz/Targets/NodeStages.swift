internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

/// Two nodes that meet through a relay, as they are before each step on either side: where scripts begin.
enum NodeStages {
    static let keyHash = [UInt8](repeating: 0x4B, count: 32)
    private static let nowSeconds: UInt64 = 1_800_000_000

    /// A node, and the step that came next in the honest course of things.
    struct Stage: Sendable {
        var harness: NodeHarness
        var next: ScriptStep
    }

    private struct Cast: Sendable {
        /// Initiator, responder, and one who never comes; by their IDs in this order.
        var nodes: [Identity]
        var relay: Identity
        var statement: RelayKeyStatement

        init() throws {
            var entropy = EntropySource.seeded(0xCA57)
            nodes = try (0..<3).map { _ in try Identity(entropy: &entropy) }.sorted { $0.id < $1.id }
            relay = try Identity(entropy: &entropy)
            statement = try RelayKeyStatement(identity: relay, keyHash: keyHash, nowSeconds: nowSeconds)
        }
    }

    private static let cast: Cast? = try? Cast()

    /// The IDs of the nodes in the cast.
    static let peerIDs: [PeerID] = cast?.nodes.map(\.id) ?? [WireSamples.id, WireSamples.id, WireSamples.id]

    /// All stages: first those of the initiator, then those of the responder.
    static let all: [Stage] = {
        guard let cast else { return [] }
        var meeting = Meeting(cast)
        meeting.play()
        return meeting.traces[0] + meeting.traces[1]
    }()

    /// One script for each stage: the honest next step, then those after it while the script is short.
    static var seeds: [[UInt8]] {
        all.indices.map { index in
            var script = [UInt8(index & 0xFF)]
            for stage in all[index...].prefix(3) where script.count < 9_500 { script += stage.next.encoded }
            return script
        }
    }

    private struct Meeting {
        var sides: [NodeHarness]
        var traces: [[Stage]] = [[], []]
        private let cast: Cast

        init(_ cast: Cast) {
            self.cast = cast
            sides = (0..<2).map { side in
                let others = [cast.nodes[1 - side].id, cast.nodes[2].id]
                var parameters = WireSamples.parameters(full: true)
                parameters.keyRotationIntervalSeconds = 1
                var configuration = Node.Configuration(
                    identity: cast.nodes[side], peers: others, relays: [cast.relay.id, cast.nodes[2].id],
                    parameters: parameters)
                configuration.dialledPeers = [cast.nodes[2].id]
                return NodeHarness(configuration, seed: UInt64(side))
            }
        }

        /// From two idle nodes to a session with two rotations of keys, and its end.
        mutating func play() {
            for side in 0..<2 {
                apply(.timeout, to: side)
                apply(.relayConnected, to: side)
                let statement = cast.statement
                let challenge = RelayChallenge(
                    relayIdentity: statement.relayIdentity, keyHash: statement.keyHash,
                    notAfterSeconds: statement.notAfterSeconds, signature: statement.signature,
                    challenge: WireSamples.pattern(32))
                apply(.fromRelay, bytes: RelayMessage.challenge(challenge).bytes, to: side)
                apply(.work, to: side)
                let welcome = RelayWelcome(
                    observedEndpoint: WireSamples.endpoint(isVersion6: false), stunPort: 3478,
                    payloadByteCountMax: 65_535, peersMax: 256)
                apply(.fromRelay, bytes: RelayMessage.welcome(welcome).bytes, to: side)
                let opened = RelayMessage.channelOpened(channel: 1, peer: cast.nodes[1 - side].id)
                apply(.fromRelay, bytes: opened.bytes, to: side)
            }
            apply(.timeout, to: 0)
            settle()
            for _ in 0..<2 {
                // 1.05 s: the interval of the rotation.
                for side in 0..<2 { apply(.timeout, argument: 21, to: side) }
                settle()
            }
            apply(.shutDown, to: 0)
            settle()
        }

        private mutating func apply(
            _ operation: NodeHarness.Operation, argument: UInt8 = 0, bytes: [UInt8] = [], to side: Int
        ) {
            let step = ScriptStep(operation: operation.rawValue, argument: argument, bytes: bytes)
            traces[side].append(Stage(harness: sides[side], next: step))
            sides[side].reset()
            sides[side].step(step)
            sides[1 - side].remote = sides[side].node.session(of: 0)
        }

        /// Does all work and delivers all messages until nothing is left, or for 200 steps.
        private mutating func settle() {
            var queue: [(to: Int, bytes: [UInt8])] = []
            for _ in 0..<200 {
                for side in 0..<2 {
                    queue += sides[side].sent.map { (1 - side, $0.1) }
                    sides[side].reset()
                }
                if let side = sides.firstIndex(where: \.hasWork) {
                    apply(.work, to: side)
                } else if !queue.isEmpty {
                    let (side, bytes) = queue.removeFirst()
                    let isRecord = bytes.first == MessageKind.record.rawValue
                    apply(isRecord ? .record : .message, bytes: bytes, to: side)
                } else {
                    return
                }
            }
        }
    }
}
