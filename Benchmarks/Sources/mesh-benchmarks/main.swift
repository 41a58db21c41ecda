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
    var handshakeMillisecondsMax: Double
}

/// What is written to `out/benchmarks.json`.
struct Report: Codable {
    var operations: [Measurement]
    var handshakeMilliseconds: Double
    var failures: [String]
}

let operationCount = 20_000

func records(_ identities: [Identity]) -> [Measurement] {
    let pair = NodePair(identities)
    pair.establish()
    precondition(pair.isEstablished, "two nodes without loss make a session")
    var record = [UInt8](repeating: 0, count: NodePair.recordByteCount)
    let seal = Measurement.take("seal", operationCount: operationCount) {
        for _ in 0..<operationCount { pair.seal(&record) }
    }
    var sealed: [[UInt8]] = []
    var actions: [NodeAction] = []
    var openedCount = 0
    let open = Measurement.take("open", operationCount: operationCount) {
        sealed = (0..<operationCount).map { _ in
            var record = [UInt8](repeating: 0, count: NodePair.recordByteCount)
            pair.seal(&record)
            return record
        }
    } _: {
        for index in sealed.indices where pair.open(&sealed[index], actions: &actions) { openedCount += 1 }
    }
    precondition(openedCount == 8 * operationCount, "every record opens")
    let header = Measurement.take("header", operationCount: operationCount) {
        var sum: UInt64 = 0
        for _ in 0..<operationCount {
            if let header = try? RecordHeader(parsing: record.span.rawBytes) { sum &+= header.counter }
        }
        precondition(sum != 1)
    }
    return [seal, open, header] + superframes(pair, rounds: operationCount / Superframes.segmentCount)
}

func window() -> Measurement {
    var window = ReplayWindow()
    var counter: UInt64 = 0
    return Measurement.take("window", operationCount: operationCount) {
        for _ in 0..<operationCount {
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
    return Measurement.take("switch", operationCount: operationCount) {
        for _ in 0..<operationCount {
            let verdict = core.receivedFromLocal(toFar.span.rawBytes, at: now, ports: &ports, reply: &reply)
            precondition(verdict == .forward && ports.count == 1, "a known address leads to one port")
        }
    }
}

func carrierItems() -> Measurement {
    let message = (0..<40).flatMap {
        CarrierItem.relayItem(channel: $0 + 1, payload: [UInt8](repeating: 1, count: 1_433))
    }
    return Measurement.take("carrier-items", operationCount: operationCount) {
        var count = 0
        while count < operationCount {
            var offset = 0
            while let place = try? CarrierItem.next(in: message.span.rawBytes, at: offset, fromRelay: true) {
                offset = place.payload.upperBound
                count += 1
            }
        }
    }
}

/// Allocates once an operation: shows that allocations are counted at all.
func control() -> Measurement {
    Measurement.take("control", operationCount: operationCount) {
        for _ in 0..<operationCount { mesh_allocate_once() }
    }
}

/// CPU time of a whole handshake, both ends together; the median of 20.
func handshakeMilliseconds(_ identities: [Identity]) -> Double {
    var times: [UInt64] = []
    for _ in 0..<21 {
        let pair = NodePair(identities)
        let start = mesh_processor_nanoseconds()
        pair.establish()
        times.append(mesh_processor_nanoseconds() - start)
        precondition(pair.isEstablished, "two nodes without loss make a session")
    }
    // The first one warms up caches and tables.
    let sorted = times.dropFirst().sorted()
    return Double(sorted[sorted.count / 2]) / 1e6
}

func run() throws -> Bool {
    var entropy = EntropySource.system
    let identities = [try Identity(entropy: &entropy), try Identity(entropy: &entropy)]
    let thresholds = try JSONDecoder().decode(
        Thresholds.self, from: Data(contentsOf: URL(fileURLWithPath: "Benchmarks/thresholds.json")))
    let operations = [control()] + records(identities) + [window(), ethernetSwitch(), carrierItems()]
    let handshake = handshakeMilliseconds(identities)
    var failures: [String] = []
    if operations[0].allocationsPerThousand < 1_000 {
        failures.append(
            "the control allocates once an operation and \(operations[0].allocationsPerThousand) were counted")
    }
    for operation in operations {
        print(
            "\(operation.name): \(operation.allocationsPerThousand) allocations per 1,000, "
                + "\(Int(operation.nanosecondsPerOperation)) ns")
        guard let most = thresholds.allocationsPerThousandMax[operation.name],
            operation.allocationsPerThousand > most
        else { continue }
        failures.append("\(operation.name) allocates \(operation.allocationsPerThousand) per 1,000; allowed: \(most)")
    }
    print("handshake: \(handshake) ms of CPU, both ends")
    if handshake > thresholds.handshakeMillisecondsMax {
        failures.append("a handshake takes \(handshake) ms of CPU; allowed: \(thresholds.handshakeMillisecondsMax)")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try FileManager.default.createDirectory(atPath: "out", withIntermediateDirectories: true)
    try encoder.encode(Report(operations: operations, handshakeMilliseconds: handshake, failures: failures))
        .write(to: URL(fileURLWithPath: "out/benchmarks.json"))
    for failure in failures { print("FAILED: \(failure)") }
    return failures.isEmpty
}

do {
    exit(try run() ? 0 : 1)
} catch {
    print("the benchmarks could not run: \(error); run them from the package's root")
    exit(2)
}
