import MeshWire

/// Slices in the order in which they come, and what becomes of each.
struct SliceVectors {
    /// What a slice brings about.
    enum Outcome {
        case held
        case refused
        case frame([UInt8])

        var json: JSON {
            switch self {
            case .held: .object([("result", "held")])
            case .refused: .object([("result", "refused")])
            case .frame(let bytes): .object([("result", "frame"), ("frame", .bytes(bytes))])
            }
        }
    }

    let name: String
    let arrivals: [(content: [UInt8], outcome: Outcome)]

    var json: JSON {
        .object([
            ("name", .text(name)), ("slices", .list(arrivals.map { .bytes($0.content) })),
            ("outcomes", .list(arrivals.map(\.outcome.json))),
        ])
    }

    /// A frame of `byteCount` bytes that differs from others of another `first` byte.
    private static func frame(_ byteCount: Int, first: UInt8) -> [UInt8] {
        [first] + (1..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
    }

    /// The contents, with kind byte, of `count` slices that are as long as each other, or nearly.
    static func slices<Bytes: Collection<UInt8>>(of frame: Bytes, number: UInt32, count: Int) -> [[UInt8]] {
        (0..<count).map { index in
            slice(Array(frame), number, frame.count * index / count..<frame.count * (index + 1) / count)
        }
    }

    private static func slice(_ frame: [UInt8], _ number: UInt32, _ range: Range<Int>) -> [UInt8] {
        var writer = WireWriter(capacity: 9 + range.count)
        writer.write(ContentKind.frameSlice.rawValue)
        writer.write(number)
        writer.write(UInt16(range.lowerBound))
        writer.write(UInt16(frame.count))
        writer.write(Array(frame[range]))
        return writer.bytes
    }

    static var all: [SliceVectors] { [inOrder, outOfOrder, interleaved, overlap, otherLength, equalEnds, tooMany] }

    private static var inOrder: SliceVectors {
        let frame = frame(1_514, first: 1)
        let parts = slices(of: frame, number: 0, count: 2)
        return SliceVectors(name: "two in order", arrivals: [(parts[0], .held), (parts[1], .frame(frame))])
    }

    private static var outOfOrder: SliceVectors {
        let frame = frame(3_000, first: 2)
        let parts = slices(of: frame, number: 1, count: 3)
        return SliceVectors(
            name: "three out of order", arrivals: [(parts[2], .held), (parts[0], .held), (parts[1], .frame(frame))])
    }

    private static var interleaved: SliceVectors {
        let first = frame(200, first: 3)
        let second = frame(300, first: 4)
        let ofFirst = slices(of: first, number: .max, count: 2)
        let ofSecond = slices(of: second, number: 0, count: 2)
        return SliceVectors(
            name: "of two frames by turns, around the end of the numbers",
            arrivals: [
                (ofFirst[0], .held), (ofSecond[1], .held), (ofFirst[1], .frame(first)), (ofSecond[0], .frame(second)),
            ])
    }

    private static var overlap: SliceVectors {
        let frame = frame(100, first: 5)
        let parts = slices(of: frame, number: 7, count: 2)
        return SliceVectors(
            name: "one that overlaps another drops the frame, which may begin anew",
            arrivals: [
                (parts[0], .held), (slice(frame, 7, 49..<60), .refused), (parts[1], .held), (parts[0], .frame(frame)),
            ])
    }

    private static var otherLength: SliceVectors {
        let frame = frame(100, first: 6)
        let parts = slices(of: frame, number: 8, count: 2)
        let other = slice(frame + [0], 8, 50..<100)
        return SliceVectors(
            name: "one that names another byte count drops the frame",
            arrivals: [(parts[0], .held), (other, .refused), (parts[1], .held)])
    }

    private static var equalEnds: SliceVectors {
        let frame = frame(2, first: 7)
        let parts = slices(of: frame, number: 9, count: 2)
        return SliceVectors(
            name: "of one byte each, the first twice",
            arrivals: [(parts[0], .held), (parts[0], .refused), (parts[1], .held)])
    }

    private static var tooMany: SliceVectors {
        let frame = frame(66, first: 8)
        let parts = slices(of: frame, number: 10, count: 66)
        return SliceVectors(
            name: "the 65th drops its frame",
            arrivals: parts.prefix(64).map { ($0, .held) } + [(parts[64], .refused), (parts[65], .held)])
    }
}
