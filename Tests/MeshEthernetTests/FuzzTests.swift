import MeshBase
import MeshEthernet
import MeshTestSupport
import Testing

@Suite struct FuzzTests {
    @Test(arguments: seeds(1...2)) func garbageNeverTrapsAndNothingGrows(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        var bench = Bench(
            .init(addressesPerPeerMax: 16, floodLimit: FloodLimit(framesPerSecond: 2, burstFrames: 5)), ports: 4,
            seed: seed)
        var valid = templates()
        for index in 0..<100_000 {
            let frame = mutated(from: &valid, using: &random)
            let time = Double(index) / 50
            // Mostly from the side where the station lives, as all would be taken for local ones otherwise.
            let isPeer = frame.count > 11 && frame[11] == 0x0B
            if isPeer == (random.next() % 256 == 0) {
                _ = bench.local(frame, at: time)
            } else {
                _ = bench.peer(frame, on: Int(random.next() % 6) - 1, at: time)
            }
            if index % 100 == 0 {
                // Own probes return for 200 s and stay away for 200 s, so that both states of the TAP are met.
                for case .send(let probe, _) in bench.timeout(at: time) where index / 10_000 % 2 == 0 {
                    valid[0] = probe
                }
            }
        }
        let counters = bench.ethernet.counters
        #expect(bench.ethernet.addressCount <= AddressTable.localAddressesMax + 4 * 16, "seed \(seed)")
        #expect(bench.ethernet.bindingCount <= 5 * 1_024)
        #expect(bench.ethernet.takeEvents().count <= EthernetSwitch.eventsMax)
        let handled = counters.forwarded + counters.flooded + counters.delivered + counters.answered + counters.dropped
        #expect(handled == 100_000, "every frame is counted once")
        #expect(counters.answered > 0 && counters.forwarded > 0 && counters.flooded > 0)
        for reason in DropReason.allCases where reason != .noPort && reason != .tunnelInsideTunnel {
            #expect(counters.dropped(reason) > 0 || reason == .oversized, "\(reason) was not reached")
        }
    }

    @Test(arguments: seeds(1...300)) func fuzzEntryTakesRandomScripts(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        var valid = templates()
        var script: [UInt8] = [UInt8(truncatingIfNeeded: seed)]
        for _ in 0..<200 {
            let frame = mutated(from: &valid, using: &random)
            script += [UInt8(truncatingIfNeeded: random.next())] + Frames.bytes(UInt64(frame.count), 2) + frame
        }
        #expect(fuzzEthernet(script).dropped > 0)
        fuzzEthernet(script.dropLast(Int(random.next() % 100)))
    }

    @Test func fuzzEntryTakesEveryTruncationOfEveryKindOfFrame() {
        for template in templates() {
            for byteCount in 0...template.count { fuzzEthernet(Array(template.prefix(byteCount))) }
        }
        fuzzEthernet([])
    }

    /// One frame of each kind that a parser looks into.
    private func templates() -> [[UInt8]] {
        let host: UInt64 = 0x0200_0000_000A
        let peer: UInt64 = 0x0200_0000_000B
        let address = Frames.linkLocal(1)
        return [
            LoopProbe(sender: 1, isSenderBlocked: true, port: 0, generation: 1, sentMilliseconds: 0, token: 0).frame(),
            LoopProbe(sender: 11, isSenderBlocked: false, port: 0, generation: 1, sentMilliseconds: 0, token: 0)
                .frame(),
            Frames.arp(senderHardware: host, sender: 1 << 24 | 1, target: 1 << 24 | 2),
            Frames.arp(operation: 2, senderHardware: peer, sender: 1 << 24 | 2, target: 1 << 24 | 1, to: host),
            Frames.arp(senderHardware: host, sender: 0, target: 1 << 24 | 2, tags: [(0x88A8, 1), (0x8100, 2)]),
            Frames.solicitation(for: 2, from: address, by: host, tags: [(0x8100, 2)]),
            Frames.advertisement(of: 2, by: peer, to: address, at: host),
            Frames.ethernet(to: peer, from: host, payload: Frames.datagram4(to: 1, port: 2)),
            Frames.ethernet(to: peer, from: host, type: 0x86DD, payload: Frames.datagram6(to: address, port: 2)),
            Frames.ethernet(to: 0x0180_C200_0000, from: host),
            Frames.ethernet(to: host, from: peer, tags: [(0x8100, 2)], payload: []),
        ]
    }

    private func mutated(from templates: inout [[UInt8]], using random: inout SeedExpander) -> [UInt8] {
        if random.next() % 8 == 0 {
            return (0..<Int(random.next() % 100)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
        var frame = templates[Int(random.next() % UInt64(templates.count))]
        if random.next() % 4 == 0 { frame.removeLast(Int(random.next() % UInt64(frame.count + 1))) }
        guard !frame.isEmpty else { return frame }
        for _ in 0..<random.next() % 4 {
            frame[Int(random.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: random.next())
        }
        return frame
    }
}
