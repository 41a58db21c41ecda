internal import CAllocationCounter
internal import MeshBase
internal import MeshCrypto
internal import MeshEthernet
internal import MeshProtocol

/// What a frame costs a node with many peers, when it sends to all of them in turn.
struct ManyPeers: Codable {
    static let peerCount = 100

    /// Nanoseconds of one frame to the one peer there is: the switch finds it, the record is sealed.
    var oneNanoseconds: Double
    /// The same to each of many in turn.
    var manyNanoseconds: Double
    /// Bytes of memory for each peer, in the hub and in the peer's own node together.
    var residentBytesPerPeer: Double
    /// Bytes allocated in the hub for each peer with a session.
    var heapBytesPerPeer: Double

    /// Frames to many peers against frames to one.
    var ratio: Double { manyNanoseconds / oneNanoseconds }

    /// Measures both in turn, so that a busy machine slows both; the best round of each counts.
    static func take(_ identities: [Identity]) -> ManyPeers {
        let one = Sender(Array(identities.prefix(2)))
        let before = mesh_resident_byte_count()
        let many = Sender(identities)
        let resident = mesh_resident_byte_count() - before
        var best = (one: Double.infinity, many: Double.infinity)
        for number in 0..<12 {
            let times = (one: one.round(), many: many.round())
            // The first warms up.
            guard number > 0 else { continue }
            best = (min(best.one, times.one), min(best.many, times.many))
        }
        return ManyPeers(
            oneNanoseconds: best.one, manyNanoseconds: best.many,
            residentBytesPerPeer: Double(resident) / Double(identities.count - 1),
            heapBytesPerPeer: heapBytesPerPeer(identities))
    }

    private static func heapBytesPerPeer(_ identities: [Identity]) -> Double {
        let before = mesh_heap_byte_count()
        let star = NodeStar(identities)
        star.establish()
        precondition(star.isEstablished, "nodes without loss make sessions")
        star.removeSpokes()
        let all = withExtendedLifetime(star) { mesh_heap_byte_count() - before }
        return Double(all) / Double(identities.count - 1)
    }

    /// A hub that sends.
    private final class Sender {
        private static let frameCount = 5_000
        private let star: NodeStar
        private var core = EthernetSwitch(configuration: .init(), seed: 1)
        private var frames: [[UInt8]] = []
        private var ports: [PortIndex] = []
        private var reply: [UInt8] = []
        private var record = [UInt8](repeating: 0, count: NodeStar.recordByteCount)

        init(_ identities: [Identity]) {
            star = NodeStar(identities)
            star.establish()
            precondition(star.isEstablished, "nodes without loss make sessions")
            ports.reserveCapacity(identities.count)
            let payload: [UInt8] = [0x88, 0xB6] + [UInt8](repeating: 0, count: NodeStar.frameByteCount - 14)
            let own: [UInt8] = [2, 0, 0, 0, 0, 1]
            for spoke in star.spokes.indices {
                let address: [UInt8] = [2, 1, 0, 0, UInt8(spoke >> 8), UInt8(spoke & 0xFF)]
                core.addPort(PortIndex(value: spoke))
                frames.append(address + own + payload)
                let hello = own + address + payload
                _ = core.receivedFromPeer(hello.span.rawBytes, on: PortIndex(value: spoke), at: star.now)
            }
        }

        /// Nanoseconds of a frame.
        func round() -> Double {
            let frames = frames
            let start = mesh_monotonic_nanoseconds()
            for number in 0..<Self.frameCount {
                let frame = frames[number % frames.count]
                let verdict = core.receivedFromLocal(frame.span.rawBytes, at: star.now, ports: &ports, reply: &reply)
                precondition(verdict == .forward && ports.count == 1, "a known address leads to one port")
                star.seal(&record, to: ports[0].value)
            }
            return Double(mesh_monotonic_nanoseconds() - start) / Double(Self.frameCount)
        }
    }
}
