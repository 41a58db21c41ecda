import MeshBase
import MeshEthernet
import MeshTestSupport
import Testing

@Suite struct AddressTableTests {
    private func makeTable(perPort: Int = 4, ports: Int = 4, seed: UInt64 = 7) -> AddressTable {
        var expander = SeedExpander(seed: seed)
        var table = AddressTable(
            hash: KeyedHash(from: &expander), ageSeconds: 300, addressesPerPortMax: perPort,
            localAddress: EthernetAddress(value: 0xFE))
        table.reserve(portCount: ports)
        return table
    }

    @Test func anAddressIsForgottenAfterItsAgeAndNotBefore() {
        var table = makeTable()
        #expect(table.learn(.init(value: 2), from: Place(port(1)), at: instant(0)) == .learned)
        #expect(table.locate(.init(value: 2), at: instant(299.9)) == Place(port(1)))
        #expect(table.locate(.init(value: 2), at: instant(300)) == nil)
        #expect(table.learn(.init(value: 2), from: Place(port(2)), at: instant(300)) == .learned)
        #expect(table.count(at: Place(port(1))) == 0)
        #expect(table.count(at: Place(port(2))) == 1)
        table.removeAged(at: instant(600))
        #expect(table.count == 0)
    }

    @Test func beingSeenAgainStartsTheAgeAnew() {
        var table = makeTable()
        _ = table.learn(.init(value: 2), from: .local, at: instant(0))
        #expect(table.learn(.init(value: 2), from: .local, at: instant(200)) == .known)
        #expect(table.locate(.init(value: 2), at: instant(499)) == .local)
    }

    @Test func aPortHoldsNoMoreThanItsLimitAndOthersAreNotAffected() {
        var table = makeTable(perPort: 4)
        for value in 0..<4 {
            #expect(table.learn(.init(value: 10 + UInt64(value)), from: Place(port(0)), at: instant(0)) == .learned)
        }
        #expect(table.learn(.init(value: 20), from: Place(port(0)), at: instant(0)) == .limitReached)
        #expect(table.locate(.init(value: 20), at: instant(0)) == nil)
        #expect(table.learn(.init(value: 20), from: Place(port(1)), at: instant(0)) == .learned)
        #expect(table.learn(.init(value: 20), from: Place(port(0)), at: instant(1)) == .limitReached)
        #expect(table.locate(.init(value: 20), at: instant(1)) == Place(port(1)))
    }

    @Test func theLocalSideHasALimitToo() {
        var table = makeTable()
        for value in 0..<UInt64(AddressTable.localAddressesMax) {
            #expect(table.learn(.init(value: 0x1000 + value), from: .local, at: instant(0)) == .learned)
        }
        #expect(table.learn(.init(value: 1), from: .local, at: instant(0)) == .limitReached)
        #expect(table.count == AddressTable.localAddressesMax)
    }

    @Test func theAddressOfTheTAPIsLocalForEver() {
        var table = makeTable()
        #expect(table.locate(.init(value: 0xFE), at: instant(9_999)) == .local)
        #expect(table.learn(.init(value: 0xFE), from: Place(port(0)), at: instant(9_999)) == .ownedLocally)
    }

    @Test func growingForPortsKeepsWhatIsKnown() {
        var table = makeTable(perPort: 256, ports: 1)
        for value in 1...200 as ClosedRange<UInt64> {
            _ = table.learn(.init(value: value << 8), from: Place(port(0)), at: instant(0))
        }
        table.reserve(portCount: 100)
        for value in 1...200 as ClosedRange<UInt64> {
            #expect(table.locate(.init(value: value << 8), at: instant(1)) == Place(port(0)))
        }
    }

    @Test func flappingIsHeldAfterFiveMovesAndFreeAMinuteLater() {
        var table = makeTable()
        let address = EthernetAddress(value: 2)
        _ = table.learn(address, from: Place(port(0)), at: instant(0))
        for move in 1...AddressTable.movesMax {
            let place = Place(port(move % 2))
            #expect(
                table.learn(address, from: place, at: instant(Double(move))) == .moved(from: Place(port(1 - move % 2))))
        }
        #expect(table.learn(address, from: Place(port(0)), at: instant(6)) == .dampingStarted(at: Place(port(1))))
        #expect(table.learn(address, from: Place(port(0)), at: instant(65)) == .damped)
        #expect(table.locate(address, at: instant(65)) == Place(port(1)))
        #expect(table.learn(address, from: Place(port(0)), at: instant(66.1)) == .moved(from: Place(port(1))))
    }

    @Test func slowRoamingIsNeverHeld() {
        var table = makeTable()
        let address = EthernetAddress(value: 2)
        _ = table.learn(address, from: Place(port(0)), at: instant(0))
        for move in 1...50 {
            let outcome = table.learn(address, from: Place(port(move % 2)), at: instant(Double(move) * 3))
            #expect(outcome == .moved(from: Place(port(1 - move % 2))))
        }
    }

    /// Half full, so that runs of slots wrap around the end of the table.
    @Test(arguments: seeds(1...20)) func removingOnePortFromAFullTableLosesNothingElse(seed: UInt64) {
        var table = makeTable(perPort: 2_048, ports: 2, seed: seed)
        let places = [Place.local, .local, Place(port(0)), Place(port(1))]
        for value in 0..<8_192 as Range<UInt64> {
            let outcome = table.learn(.init(value: 0x1000 + value), from: places[Int(value % 4)], at: instant(0))
            #expect(outcome == .learned)
        }
        table.removeAll(at: Place(port(0)))
        #expect(table.count == 6_144)
        for value in 0..<8_192 as Range<UInt64> {
            let expected = value % 4 == 2 ? nil : places[Int(value % 4)]
            #expect(table.locate(.init(value: 0x1000 + value), at: instant(1)) == expected, "seed \(seed)")
        }
    }

    /// A plain dictionary does the same without limits of slots; removal by shifting back must never lose an entry.
    @Test(arguments: seeds(1...20)) func tableAgreesWithADictionary(seed: UInt64) {
        var random = SeedExpander(seed: seed)
        var table = makeTable(perPort: 1_000, ports: 3, seed: seed)
        var model: [UInt64: (place: Int, seen: Double)] = [:]
        var now = 0.0
        for _ in 0..<4_000 {
            now += Double.random(in: 0...0.5, using: &random)
            let address = UInt64.random(in: 0..<600, using: &random) << 20 | 2
            let place = Int.random(in: 0..<3, using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0:
                table.removeAll(at: Place(port(place)))
                model = model.filter { $0.value.place != place }
            case 1:
                table.removeAged(at: instant(now))
            default:
                let outcome = table.learn(.init(value: address), from: Place(port(place)), at: instant(now))
                if outcome == .dampingStarted(at: Place(port(model[address]?.place ?? 9))) || outcome == .damped {
                    break
                }
                model[address] = (place, now)
            }
            let asked = UInt64.random(in: 0..<600, using: &random) << 20 | 2
            let expected = model[asked].flatMap { now - $0.seen < 299.999 ? $0.place : nil }
            if let known = model[asked], abs(now - known.seen - 300) < 0.01 { continue }
            #expect(table.locate(.init(value: asked), at: instant(now))?.port?.value == expected, "seed \(seed)")
        }
    }
}
