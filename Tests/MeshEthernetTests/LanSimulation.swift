import MeshBase
import MeshEthernet

/// Nodes of one mesh and the LANs that their TAPs are bridged to, in virtual time.
///
/// A LAN is a hub: what one member sends reaches all others. The mesh takes 10 ms, a LAN 0.1 ms.
struct LanSimulation {
    private enum Happening {
        case fromLAN(node: Int, frame: [UInt8])
        case fromMesh(node: Int, peer: Int, frame: [UInt8])
    }

    var nodes: [EthernetSwitch]
    /// The LAN of each node; `nil` when the node is gone.
    var lans: [Int?]
    /// Pairs that are no peers of each other.
    let strangers: Set<[Int]>
    /// Probes that a LAN carries from one node to another are lost if this says so.
    var losesProbe: (_ from: Int, _ to: Int) -> Bool = { _, _ in false }
    private(set) var now = instant(100)
    /// How often the hosts of each LAN saw each frame.
    private(set) var seen: [Int: [[UInt8]: Int]] = [:]
    /// Frames written to any TAP, probes not counted.
    private(set) var deliveredCount = 0
    private(set) var events: [[SwitchEvent]]
    private var queue: [(at: Instant, what: Happening)] = []

    init(lans: [Int], seeds: [UInt64], strangers: Set<[Int]> = [], floodLimit: FloodLimit = .standard) {
        self.lans = lans
        self.strangers = strangers
        nodes = seeds.map { EthernetSwitch(configuration: .init(floodLimit: floodLimit), seed: $0) }
        events = [[SwitchEvent]](repeating: [], count: lans.count)
        for node in nodes.indices {
            for peer in nodes.indices where areLinked(node, peer) { nodes[node].addPort(port(peer)) }
        }
    }

    func areLinked(_ node: Int, _ peer: Int) -> Bool {
        node != peer && !strangers.contains([min(node, peer), max(node, peer)])
    }

    /// A host of `lan` sends `frame`.
    mutating func send(_ frame: [UInt8], on lan: Int) { transmit(frame, on: lan, by: nil) }

    /// Lets the nodes of `lan` hear as many local stations as they can remember. Otherwise a storm dies by itself: each node hears on
    /// the LAN what another one delivered, takes its source for a local station, and drops the copies that come by the mesh.
    mutating func fillLocalTables(on lan: Int) {
        var ports: [PortIndex] = []
        var reply: [UInt8] = []
        let stations = 0x0600_0000_0000..<0x0600_0000_0000 + UInt64(AddressTable.localAddressesMax)
        for station in stations {
            let frame = Frames.ethernet(to: stations.lowerBound, from: station)
            for node in nodes.indices where lans[node] == lan {
                _ = nodes[node].receivedFromLocal(frame.span.rawBytes, at: now, ports: &ports, reply: &reply)
            }
        }
    }

    mutating func forgetWhatWasSeen() { seen = [:] }

    /// The node dies: its peers lose the session after a second.
    mutating func kill(_ node: Int) {
        lans[node] = nil
        for peer in nodes.indices where areLinked(node, peer) { nodes[peer].removePort(port(node)) }
    }

    /// Runs for `seconds`, or until `deliveredMax` frames were delivered.
    mutating func run(seconds: Double, deliveredMax: Int = 1_000_000) {
        let end = now.advanced(nanoseconds: UInt64(seconds * 1e9))
        let deliveredEnd = deliveredCount + deliveredMax
        while deliveredCount < deliveredEnd {
            let timers = nodes.indices.compactMap { node in lans[node] == nil ? nil : nodes[node].deadline }
            let timer = timers.min() ?? .init(nanoseconds: .max)
            let next = min(max(timer, now), queue.last?.at ?? .init(nanoseconds: .max))
            guard next < end else { break }
            now = next
            handleTimeouts()
            while let last = queue.last, last.at <= now, deliveredCount < deliveredEnd {
                queue.removeLast()
                handle(last.what)
            }
            for node in nodes.indices { events[node] += nodes[node].takeEvents() }
        }
        now = max(now, end)
    }

    private mutating func handleTimeouts() {
        for node in nodes.indices where lans[node] != nil {
            guard let deadline = nodes[node].deadline, deadline <= now else { continue }
            var actions: [EthernetSwitch.Action] = []
            nodes[node].handleTimeout(at: now, actions: &actions)
            for case .send(let frame, let port) in actions { toMesh(frame, from: node, to: port.value) }
        }
    }

    private mutating func handle(_ happening: Happening) {
        switch happening {
        case .fromLAN(let node, let frame):
            guard lans[node] != nil else { return }
            var ports: [PortIndex] = []
            var reply: [UInt8] = []
            let verdict = nodes[node].receivedFromLocal(frame.span.rawBytes, at: now, ports: &ports, reply: &reply)
            guard verdict == .forward else { return }
            for port in ports { toMesh(frame, from: node, to: port.value) }
        case .fromMesh(let node, let peer, let frame):
            guard let lan = lans[node] else { return }
            let verdict = nodes[node].receivedFromPeer(frame.span.rawBytes, on: port(peer), at: now)
            guard verdict == .deliver else { return }
            if !isProbe(frame) { deliveredCount += 1 }
            transmit(frame, on: lan, by: node)
        }
    }

    private func isProbe(_ frame: [UInt8]) -> Bool { frame[12] == 0x88 && frame[13] == 0xB5 }

    private mutating func transmit(_ frame: [UInt8], on lan: Int, by sender: Int?) {
        if !isProbe(frame) { seen[lan, default: [:]][frame, default: 0] += 1 }
        for node in nodes.indices where node != sender && lans[node] == lan {
            if isProbe(frame), let sender, losesProbe(sender, node) { continue }
            enqueue(.fromLAN(node: node, frame: frame), after: 100_000)
        }
    }

    private mutating func toMesh(_ frame: [UInt8], from node: Int, to peer: Int) {
        enqueue(.fromMesh(node: peer, peer: node, frame: frame), after: 10_000_000)
    }

    /// Keeps the queue sorted, the earliest last; of equal times the one that came first.
    private mutating func enqueue(_ what: Happening, after nanoseconds: UInt64) {
        let at = now.advanced(nanoseconds: nanoseconds)
        var low = 0
        var high = queue.count
        while low < high {
            let middle = (low + high) / 2
            if queue[middle].at > at { low = middle + 1 } else { high = middle }
        }
        queue.insert((at, what), at: low)
    }
}
