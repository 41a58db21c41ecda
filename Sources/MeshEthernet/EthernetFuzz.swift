import MeshBase

/// Feeds `bytes` to every parser and, cut into frames, to a switch; must never trap, whatever they are.
///
///     seed (1) | step: operation (1), byte count (2), frame (byte count or what is left) | step ...
///
/// - Returns: the counters of the switch, so that a test can tell what was reached.
@discardableResult
package func fuzzEthernet(_ bytes: [UInt8]) -> SwitchCounters {
    if let view = try? EthernetFrameView(parsing: bytes.span.rawBytes) {
        _ = ARPPacket(view)
        _ = NeighborMessage(view)
        _ = LoopProbe(view)
    }
    var harness = FuzzHarness(seed: UInt64(bytes.first ?? 0))
    var rest = bytes.dropFirst()
    while rest.count >= 3 {
        let header = Array(rest.prefix(3))
        let body = rest.dropFirst(3)
        let byteCount = min(Int(header[1]) << 8 | Int(header[2]), body.count)
        harness.step(header[0], Array(body.prefix(byteCount)))
        rest = body.dropFirst(byteCount)
    }
    return harness.ethernet.counters
}

/// A switch with four ports, driven by the bytes of a fuzzer.
private struct FuzzHarness {
    var ethernet: EthernetSwitch
    private var now = Instant.zero
    private var ports: [PortIndex] = []
    private var reply: [UInt8] = []
    private var actions: [EthernetSwitch.Action] = []

    init(seed: UInt64) {
        let configuration = EthernetSwitch.Configuration(
            localAddress: EthernetAddress(value: 0x0200_0000_0001), addressesPerPeerMax: 8,
            floodLimit: FloodLimit(framesPerSecond: 100, burstFrames: 10))
        ethernet = EthernetSwitch(configuration: configuration, seed: seed)
        for index in 0..<4 { ethernet.addPort(PortIndex(value: index)) }
    }

    /// The low three bits choose what happens, the next two a port, the others how much time passes: 0 to 7 s.
    mutating func step(_ operation: UInt8, _ frame: [UInt8]) {
        let port = PortIndex(value: Int(operation >> 3 & 3))
        now = now.advanced(milliseconds: UInt64(operation >> 5) * 1_000)
        switch operation & 7 {
        case 0: ethernet.addPort(port)
        case 1: ethernet.removePort(port)
        case 2: ethernet.handleTimeout(at: now, actions: &actions)
        case 3: returnProbe()
        case 4, 5: _ = ethernet.receivedFromPeer(frame.span.rawBytes, on: port, at: now)
        default: _ = ethernet.receivedFromLocal(frame.span.rawBytes, at: now, ports: &ports, reply: &reply)
        }
        _ = ethernet.takeEvents()
    }

    /// Brings the latest loop probe back by the TAP: a fuzzer cannot guess its token.
    private mutating func returnProbe() {
        guard case .send(let frame, _) = actions.popLast() else { return }
        _ = ethernet.receivedFromLocal(frame.span.rawBytes, at: now, ports: &ports, reply: &reply)
        actions.removeAll(keepingCapacity: true)
    }
}
