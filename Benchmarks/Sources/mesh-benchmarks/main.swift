internal import CAllocationCounter
internal import Foundation
internal import MeshBase
internal import MeshCrypto
internal import MeshEthernet
internal import MeshProtocol
internal import MeshWire

/// What must hold; read from `Benchmarks/thresholds.json`.
struct Thresholds: Codable {
    var allocationsPerThousandMax: [String: Double]
    /// A third above what was found; those with a cipher have room for processors without AVX2.
    var instructionsPerOperationMax: [String: Double]
    var handshakeMillisecondsMax: Double
    /// Bytes of one more peer; both ends are in the process.
    var residentBytesPerPeerMax: Double
    /// Bytes allocated for one more peer at one end.
    var heapBytesPerPeerMax: Double
    /// What a frame to one of many peers costs against one to the only peer.
    var manyPeersRatioMax: Double
}

/// What is written to `out/benchmarks.json`.
struct Report: Codable {
    var operations: [Measurement]
    var handshakeMilliseconds: Double
    var manyPeers: ManyPeers
    var failures: [String]
}

let operationCount = 20_000

func records(_ identities: [Identity]) -> [Measurement] {
    let star = NodeStar(identities)
    star.establish()
    precondition(star.isEstablished, "two nodes without loss make a session")
    var record = [UInt8](repeating: 0, count: NodeStar.recordByteCount)
    let seal = Measurement.take("seal", operationCount: operationCount) { count in
        for _ in 0..<count { star.seal(&record) }
    }
    var sealed: [[UInt8]] = []
    var actions: [NodeAction] = []
    let open = Measurement.take("open", operationCount: operationCount) { count in
        sealed = (0..<count).map { _ in
            var record = [UInt8](repeating: 0, count: NodeStar.recordByteCount)
            star.seal(&record)
            return record
        }
    } _: { count in
        for index in 0..<count {
            let isOpened = star.open(&sealed[index], actions: &actions)
            precondition(isOpened, "every record opens")
        }
    }
    let header = Measurement.take("header", operationCount: operationCount) { count in
        var sum: UInt64 = 0
        for _ in 0..<count {
            if let header = try? RecordHeader(parsing: record.span.rawBytes) { sum &+= header.counter }
        }
        precondition(sum != 1)
    }
    return [seal, open, header] + superframes(identities, frameCount: operationCount)
}

func window() -> Measurement {
    var window = ReplayWindow()
    var counter: UInt64 = 0
    return Measurement.take("window", operationCount: operationCount) { count in
        for _ in 0..<count {
            counter += 1
            precondition(window.insert(counter))
        }
    }
}

func ethernetSwitch() -> Measurement {
    var core = EthernetSwitch(configuration: .init(), seed: 1)
    core.addPort(PortIndex(value: 0))
    let (near, far): ([UInt8], [UInt8]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
    let payload: [UInt8] = [0x88, 0xB6] + [UInt8](repeating: 0, count: 1_386)
    let (toFar, toNear) = (far + near + payload, near + far + payload)
    let now = Instant(nanoseconds: 1_000_000_000)
    var ports: [PortIndex] = []
    ports.reserveCapacity(8)
    var reply: [UInt8] = []
    _ = core.receivedFromPeer(toNear.span.rawBytes, on: PortIndex(value: 0), at: now)
    return Measurement.take("switch", operationCount: operationCount) { count in
        for _ in 0..<count {
            let verdict = core.receivedFromLocal(toFar.span.rawBytes, at: now, ports: &ports, reply: &reply)
            precondition(verdict == .forward && ports.count == 1, "a known address leads to one port")
        }
    }
}

func carrierItems() -> Measurement {
    let message = (0..<40).flatMap {
        CarrierItem.relayItem(channel: $0 + 1, payload: [UInt8](repeating: 1, count: 1_433))
    }
    return Measurement.take("carrier-items", operationCount: operationCount) { count in
        var done = 0
        while done < count {
            var offset = 0
            while done < count,
                let place = try? CarrierItem.next(in: message.span.rawBytes, at: offset, fromRelay: true)
            {
                offset = place.payload.upperBound
                done += 1
            }
        }
    }
}

/// Allocates once an operation: shows that allocations are counted at all.
func control() -> Measurement {
    Measurement.take("control", operationCount: operationCount) { count in
        for _ in 0..<count { mesh_allocate_once() }
    }
}

/// CPU time of a whole handshake, both ends together; the median of 20.
func handshakeMilliseconds(_ identities: [Identity]) -> Double {
    var times: [UInt64] = []
    for _ in 0..<21 {
        let star = NodeStar(identities)
        let start = mesh_processor_nanoseconds()
        star.establish()
        times.append(mesh_processor_nanoseconds() - start)
        precondition(star.isEstablished, "two nodes without loss make a session")
    }
    // The first one warms up caches and tables.
    let sorted = times.dropFirst().sorted()
    return Double(sorted[sorted.count / 2]) / 1e6
}

/// What is wrong with an operation.
func failures(of operation: Measurement, _ thresholds: Thresholds) -> [String] {
    var found: [String] = []
    if let most = thresholds.allocationsPerThousandMax[operation.name], operation.allocationsPerThousand > most {
        found.append("\(operation.name) allocates \(operation.allocationsPerThousand) per 1,000; allowed: \(most)")
    }
    if let most = thresholds.instructionsPerOperationMax[operation.name],
        let count = operation.instructionsPerOperation, count > most
    {
        found.append("\(operation.name) takes \(Int(count)) instructions; allowed: \(Int(most))")
    }
    return found
}

func run() throws -> Bool {
    var entropy = EntropySource.system
    let identities = try (0...ManyPeers.peerCount).map { _ in try Identity(entropy: &entropy) }
    let thresholds = try JSONDecoder().decode(
        Thresholds.self, from: Data(contentsOf: URL(fileURLWithPath: "Benchmarks/thresholds.json")))
    let pair = Array(identities.prefix(2))
    let operations = [control()] + records(pair) + [window(), ethernetSwitch(), carrierItems()]
    let handshake = handshakeMilliseconds(pair)
    var found: [String] = []
    if operations[0].allocationsPerThousand < 1_000 {
        found.append("the control allocates once an operation and \(operations[0].allocationsPerThousand) were counted")
    }
    for operation in operations {
        print(
            "\(operation.name): \(operation.allocationsPerThousand) allocations per 1,000, "
                + "\(operation.instructionsPerOperation.map { "\(Int($0))" } ?? "uncounted") instructions, "
                + "\(Int(operation.nanosecondsPerOperation)) ns")
        found += failures(of: operation, thresholds)
    }
    print("handshake: \(handshake) ms of CPU, both ends")
    if handshake > thresholds.handshakeMillisecondsMax {
        found.append("a handshake takes \(handshake) ms of CPU; allowed: \(thresholds.handshakeMillisecondsMax)")
    }
    let many = ManyPeers.take(identities)
    print(
        "a frame to one of \(ManyPeers.peerCount) peers: \(Int(many.manyNanoseconds)) ns, to the only peer: "
            + "\(Int(many.oneNanoseconds)) ns; memory of a peer, both ends: \(Int(many.residentBytesPerPeer)) bytes, "
            + "one end: \(Int(many.heapBytesPerPeer)) bytes")
    if many.ratio > thresholds.manyPeersRatioMax {
        found.append("a frame to one of many peers costs \(many.ratio) of one to the only peer")
    }
    if many.residentBytesPerPeer > thresholds.residentBytesPerPeerMax {
        found.append("a peer takes \(Int(many.residentBytesPerPeer)) bytes of memory")
    }
    if many.heapBytesPerPeer > thresholds.heapBytesPerPeerMax {
        found.append("a peer takes \(Int(many.heapBytesPerPeer)) bytes at one end")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try FileManager.default.createDirectory(atPath: "out", withIntermediateDirectories: true)
    let report = Report(
        operations: operations, handshakeMilliseconds: handshake, manyPeers: many, failures: found)
    try encoder.encode(report).write(to: URL(fileURLWithPath: "out/benchmarks.json"))
    for failure in found { print("FAILED: \(failure)") }
    return found.isEmpty
}

do {
    exit(try run() ? 0 : 1)
} catch {
    print("the benchmarks could not run: \(error); run them from the package's root")
    exit(2)
}
