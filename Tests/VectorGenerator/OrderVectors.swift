import MeshWire

/// Frames of several path generations and their ENDs as they come, and which frames are delivered then.
struct OrderVectors {
    /// What comes. A frame is named by its counter.
    enum Arrival {
        case frame(generation: UInt8, counter: UInt8)
        case end(generation: UInt8, frames: UInt64, isOldPathDead: Bool)
        /// Nothing came for as long as the receiver waits.
        case waitIsOver
    }

    let name: String
    let steps: [(Arrival, delivered: [UInt8])]

    var json: JSON { .object([("name", .text(name)), ("steps", .list(steps.map(Self.step)))]) }

    private static func step(_ arrival: Arrival, delivered: [UInt8]) -> JSON {
        let fields: [(String, JSON)] =
            switch arrival {
            case .frame(let generation, let counter):
                [("generation", .number(UInt64(generation))), ("counter", .number(UInt64(counter)))]
            case .end(let generation, let frames, let isOldPathDead):
                [
                    (
                        "end",
                        .bytes(
                            [ContentKind.pathEnd.rawValue]
                                + PathEnd(generation: generation, isOldPathDead: isOldPathDead, frameCount: frames)
                                .bytes)
                    )
                ]
            case .waitIsOver: [("wait_is_over", true)]
            }
        return .object(fields + [("delivered", .list(delivered.map { .number(UInt64($0)) }))])
    }

    private static func end(_ generation: UInt8, _ frames: UInt64, dead: Bool = false) -> Arrival {
        .end(generation: generation, frames: frames, isOldPathDead: dead)
    }

    private static func frame(_ generation: UInt8, _ counter: UInt8) -> Arrival {
        .frame(generation: generation, counter: counter)
    }

    static var all: [OrderVectors] {
        [
            OrderVectors(
                name: "END comes last",
                steps: [(frame(0, 0), [0]), (frame(1, 3), []), (frame(0, 1), [1]), (end(0, 2), [3]), (end(0, 2), [])]),
            OrderVectors(
                name: "END comes first, and the last frame of the old path frees those of the new one",
                steps: [
                    (end(0, 2), []), (frame(1, 6), []), (frame(1, 5), []), (frame(0, 0), [0]),
                    (frame(0, 1), [1, 5, 6]),
                    (frame(1, 7), [7]),
                ]),
            OrderVectors(
                name: "END of a dead path frees at once, and what is late is delivered when it comes",
                steps: [
                    (frame(0, 0), [0]), (frame(1, 7), []), (frame(1, 6), []), (end(0, 5, dead: true), [6, 7]),
                    (frame(0, 2), [2]), (end(0, 5), []), (frame(1, 8), [8]),
                ]),
            OrderVectors(
                name: "no END comes",
                steps: [
                    (frame(0, 0), [0]), (frame(2, 9), []), (frame(1, 5), []), (.waitIsOver, [5, 9]),
                    (frame(2, 10), [10]), (frame(1, 6), [6]),
                ]),
            OrderVectors(
                name: "a generation without frames",
                steps: [(frame(1, 1), []), (end(0, 0), [1]), (end(1, 1), []), (frame(2, 2), [2])]),
            OrderVectors(
                name: "two changes, the second of which is told first",
                steps: [
                    (frame(2, 4), []), (end(1, 1), []), (frame(1, 3), []), (frame(0, 2), [2]), (end(0, 1), [3, 4]),
                ]),
            OrderVectors(
                name: "generation 0 follows 255",
                steps: [
                    (end(127, 9, dead: true), []), (end(254, 9, dead: true), []), (frame(255, 1), [1]),
                    (frame(0, 3), []), (frame(255, 2), [2]), (end(255, 2), [3]), (frame(254, 4), [4]),
                ]),
        ]
    }
}
