import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct FrameAssemblyTests {
    private static let now = Instant(nanoseconds: 1_000_000_000)

    private static func content(_ number: UInt32, _ range: Range<Int>, of frame: [UInt8]) -> [UInt8] {
        header(number, range.lowerBound, frame.count) + frame[range]
    }

    private static func header(_ number: UInt32, _ offset: Int, _ total: Int) -> [UInt8] {
        var writer = WireWriter(capacity: 8)
        writer.write(number)
        writer.write(UInt16(offset))
        writer.write(UInt16(total))
        return writer.bytes
    }

    /// Inside an expectation nothing can be changed but what a reference leads to.
    private final class Joiner {
        private(set) var assembly = FrameAssembly()

        func add(_ content: [UInt8], at now: Instant = now) throws -> [UInt8]? {
            try assembly.add(content.span.rawBytes, at: now)
        }

        func expire(at now: Instant) { assembly.expire(at: now) }
    }

    private static func pattern(_ count: Int, _ number: UInt32) -> [UInt8] {
        let start = Int(number)
        return (0..<count).map { (place: Int) -> UInt8 in UInt8(truncatingIfNeeded: place &* 7 &+ start) }
    }

    @Test func slicesInAnyOrderMakeTheFrame() throws {
        var entropy = EntropySource.seeded(1)
        let joiner = Joiner()
        for number in 0..<500 as Range<UInt32> {
            let frame = Self.pattern(2 + Int(entropy.number(below: 3_000)), number)
            var bounds = Set([0, frame.count])
            while bounds.count < 3 + Int(entropy.number(below: 5)), bounds.count <= frame.count {
                bounds.insert(1 + Int(entropy.number(below: UInt64(frame.count - 1))))
            }
            let sorted = bounds.sorted()
            var slices = zip(sorted, sorted.dropFirst()).map { $0..<$1 }
            var order: [Range<Int>] = []
            while !slices.isEmpty { order.append(slices.remove(at: Int(entropy.number(below: UInt64(slices.count))))) }
            for (place, range) in order.enumerated() {
                let whole = try joiner.add(Self.content(number, range, of: frame))
                #expect(whole == (place == order.count - 1 ? frame : nil), "frame \(number)")
            }
        }
        #expect(joiner.assembly.joinedCount == 500)
        #expect(
            joiner.assembly.droppedCount == 0 && joiner.assembly.byteCount == 0 && joiner.assembly.partialCount == 0)
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func aFrameIsDeliveredWholeOrNotAtAllWhateverIsLostOrReordered(seed: UInt64) throws {
        var entropy = EntropySource.seeded(seed)
        let joiner = Joiner()
        var wire: [(due: UInt64, content: [UInt8])] = []
        var isLost: Set<UInt32> = []
        for number in 0..<200 as Range<UInt32> {
            let frame = Self.pattern(1_168 + Int(entropy.number(below: 300)), number)
            for range in [0..<frame.count / 2, frame.count / 2..<frame.count] {
                if entropy.number(below: 10) == 0 {
                    isLost.insert(number)
                } else {
                    // Reordered by a few places: fewer than frames are kept.
                    wire.append(
                        (UInt64(number) * 2 + entropy.number(below: 20), Self.content(number, range, of: frame)))
                }
            }
        }
        var delivered: [UInt32: [UInt8]] = [:]
        for (due, content) in wire.sorted(by: { $0.due < $1.due }) {
            let at = Self.now.advanced(milliseconds: due)
            if let frame = try joiner.add(content, at: at) {
                let number = content.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                #expect(delivered.updateValue(frame, forKey: number) == nil, "seed \(seed)")
                #expect(frame == Self.pattern(frame.count, number), "seed \(seed)")
            }
            #expect(joiner.assembly.partialCount <= FrameAssembly.framesMax)
        }
        #expect(Set(delivered.keys) == Set(0..<200).subtracting(isLost), "seed \(seed)")
    }

    @Test func aSliceThatContradictsTheOthersIsRefusedWithItsFrame() throws {
        let frame = Self.pattern(100, 7)
        let contradictions = [
            Self.content(7, 0..<10, of: frame), Self.content(7, 49..<60, of: frame),
            Self.content(7, 10..<20, of: frame),
            Self.header(7, 50, 101) + frame[50..<60],
        ]
        for contradiction in contradictions {
            let joiner = Joiner()
            #expect(try joiner.add(Self.content(7, 0..<50, of: frame)) == nil)
            #expect(throws: WireError.invalidField(.count)) { try joiner.add(contradiction) }
            #expect(
                joiner.assembly.partialCount == 0 && joiner.assembly.droppedCount == 1 && joiner.assembly.byteCount == 0
            )
            #expect(try joiner.add(Self.content(7, 50..<100, of: frame)) == nil)
        }
    }

    @Test func hostileFieldsAreRefused() throws {
        let joiner = Joiner()
        for (offset, total, count) in [
            (0, 0, 0), (0, 10, 0), (0, 10, 10), (5, 10, 6), (65_535, 65_535, 1), (65_535, 10, 1), (0, 1, 1), (9, 10, 2),
        ] {
            let content = Self.header(1, offset, total) + [UInt8](repeating: 1, count: count)
            #expect(throws: WireError.invalidField(.count)) { try joiner.add(content) }
        }
        for count in 0..<8 {
            #expect(throws: WireError.self) {
                try joiner.add([UInt8](repeating: 0, count: count))
            }
        }
        #expect(joiner.assembly.partialCount == 0)
        let last = Self.header(2, 65_534, 65_535) + [1]
        #expect(try joiner.add(last) == nil)
        #expect(joiner.assembly.byteCount == 65_535)
    }

    @Test func whatIsHeldIsBounded() throws {
        let joiner = Joiner()
        for number in 0..<1_000 as Range<UInt32> {
            _ = try joiner.add(Self.header(number, 0, number % 2 == 0 ? 65_535 : 200) + [1])
            #expect(joiner.assembly.byteCount <= FrameAssembly.byteCountMax)
            #expect(joiner.assembly.partialCount <= FrameAssembly.framesMax)
        }
        let later = Self.now.advanced(milliseconds: FrameAssembly.ageMillisecondsMax)
        joiner.expire(at: later)
        #expect(joiner.assembly.partialCount == 0 && joiner.assembly.byteCount == 0)
        #expect(joiner.assembly.droppedCount == 1_000)
        for place in 0..<FrameAssembly.slicesMax {
            #expect(try joiner.add(Self.header(1, 2 * place, 2_000) + [1]) == nil)
        }
        #expect(throws: WireError.invalidField(.count)) {
            try joiner.add(Self.header(1, 1_000, 2_000) + [1])
        }
    }
}
