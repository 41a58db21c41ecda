import MeshBase
import MeshEthernet
import MeshTestSupport
import Testing

/// The rules of the switch, written as plainly as possible, beside the switch itself. Times in milliseconds.
private struct Model {
    struct Station { var place: Int, seen: UInt64 }
    static let local = -1
    var stations: [UInt64: Station] = [:]
    var ports: Set<Int> = []

    func place(of address: UInt64, at now: UInt64) -> Int? {
        stations[address].flatMap { now - $0.seen < 300_000 ? $0.place : nil }
    }

    mutating func local(to destination: UInt64, from source: UInt64, at now: UInt64) -> Set<Int>? {
        stations[source] = Station(place: Self.local, seen: now)
        guard let place = place(of: destination, at: now) else { return ports.isEmpty ? nil : ports }
        return place == Self.local ? nil : [place]
    }

    mutating func peer(from source: UInt64, on port: Int, at now: UInt64) -> Bool {
        guard ports.contains(port), place(of: source, at: now) != Self.local else { return false }
        stations[source] = Station(place: port, seen: now)
        return true
    }
}

@Suite struct SwitchModelTests {
    /// Few stations that move rarely enough not to be damped, so that every rule but the limits is met often.
    @Test(arguments: seeds(1...30)) func switchAgreesWithTheModel(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        var bench = Bench(
            .init(floodLimit: FloodLimit(framesPerSecond: 1_000_000, burstFrames: 1_000_000)), ports: 0, seed: seed)
        var model = Model()
        var now: UInt64 = 1_000
        for step in 0..<3_000 {
            now += random.next() % 20_000
            let source = 0x0200_0000_0000 + random.next() % 40
            let destination = 0x0200_0000_0000 + random.next() % 40
            let number = Int(random.next() % 5)
            let frame = Frames.ethernet(to: destination, from: source)
            switch random.next() % 40 {
            case 0:
                bench.ethernet.addPort(port(number))
                model.ports.insert(number)
            case 1:
                bench.ethernet.removePort(port(number))
                model.ports.remove(number)
                model.stations = model.stations.filter { $0.value.place != number }
            case 2: _ = bench.timeout(at: Double(now) / 1_000)
            case 3..<20:
                let expected = model.local(to: destination, from: source, at: now)
                let verdict = bench.local(frame, at: Double(now) / 1_000)
                #expect((verdict == .forward) == (expected != nil), "seed \(seed), step \(step)")
                #expect(Set(bench.targets) == expected ?? [], "seed \(seed), step \(step)")
            default:
                let expected = model.peer(from: source, on: number, at: now)
                let verdict = bench.peer(frame, on: number, at: Double(now) / 1_000)
                #expect((verdict == .deliver) == expected, "seed \(seed), step \(step)")
            }
        }
        #expect(bench.ethernet.counters.movesDamped == 0)
    }
}
