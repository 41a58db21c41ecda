import MeshBase
import MeshCrypto
import MeshDataPlane
import Testing

/// Datagrams that get their content and are sealed when their batch goes out.
@Suite struct SealQueueTests {
    private static let headerByteCount = 16
    /// Header, and what stands in front of the content.
    private static let contentOffset = 22

    /// Datagrams of one call: a head, and a body of which each takes so many bytes.
    struct Run {
        var key: AEADKey
        var head: [UInt8]
        var body: [UInt8]
        var bodyByteCount: Int
        var nonce: UInt64

        /// Each datagram's content behind the head.
        var bodies: [[UInt8]] {
            stride(from: 0, to: max(body.count, 1), by: bodyByteCount).map {
                Array(body[$0..<min($0 + bodyByteCount, body.count)])
            }
        }

        func byteCount(_ body: [UInt8]) -> Int {
            SealQueueTests.contentOffset + head.count + body.count + AEADKey.tagByteCount
        }

        /// The datagrams as they are when each is sealed on its own, `filler` being what lies in front of the content.
        func expected(filler: UInt8) -> [UInt8] {
            bodies.enumerated().flatMap { index, body in
                var datagram = [UInt8](repeating: filler, count: byteCount(body))
                datagram.replaceSubrange(
                    SealQueueTests.contentOffset..<SealQueueTests.contentOffset + head.count + body.count,
                    with: head + body)
                let contentByteCount = datagram.count - SealQueueTests.headerByteCount - AEADKey.tagByteCount
                var bytes = datagram.mutableSpan
                var span = bytes.mutableRawBytes
                key.seal(
                    &span, headerByteCount: SealQueueTests.headerByteCount, contentByteCount: contentByteCount,
                    nonceHigh: 0, nonceLow: nonce + UInt64(index))
                return datagram
            }
        }
    }

    private static func key(_ byte: UInt8) throws -> AEADKey {
        try AEADKey(Secret([UInt8](repeating: byte, count: 32)))
    }

    private static func bytes(_ count: Int, from first: UInt8) -> [UInt8] {
        (0..<count).map { first &+ UInt8(truncatingIfNeeded: $0) }
    }

    /// Has a queue complete all runs in one memory, and compares.
    private static func check(_ runs: [Run]) {
        let queue = SealQueue()
        let expected = runs.map { $0.expected(filler: 7) }
        // A datagram lies before them that is not the queue's.
        var memory = [UInt8](repeating: 3, count: 11)
        var offsets: [Int] = []
        for bytes in expected {
            offsets.append(memory.count)
            memory += [UInt8](repeating: 7, count: bytes.count)
        }
        for (run, offset) in zip(runs, offsets) {
            let first = run.byteCount(run.bodies[0])
            let job = SealJob(
                key: run.key, headerByteCount: headerByteCount,
                contentByteCount: first - headerByteCount - AEADKey.tagByteCount, nonceLow: run.nonce)
            // SAFETY: the runs stay until the queue is complete.
            unsafe queue.append(
                job, at: offset, contentOffset: contentOffset, run.head.span.rawBytes, run.body.span.rawBytes,
                bodyByteCount: run.bodyByteCount)
        }
        complete(queue, &memory)
        #expect(memory == [UInt8](repeating: 3, count: 11) + expected.flatMap(\.self))
        let once = memory
        complete(queue, &memory)
        #expect(memory == once, "nothing is left to be done")
    }

    private static func complete(_ queue: SealQueue, _ memory: inout [UInt8]) {
        var bytes = memory.mutableSpan
        var span = bytes.mutableRawBytes
        queue.complete(&span)
    }

    @Test(arguments: [(1_000, 1_000), (4_000, 1_000), (4_001, 1_000), (3_999, 1_000), (5, 1), (0, 1), (1, 400)])
    func aRunIsSealedAsItsDatagramsOneByOne(bodyByteCount: Int, each: Int) throws {
        Self.check([
            Run(
                key: try Self.key(1), head: Self.bytes(66, from: 9), body: Self.bytes(bodyByteCount, from: 0),
                bodyByteCount: each, nonce: 41)
        ])
    }

    @Test func runsOfSeveralKeysLieBehindOneAnother() throws {
        let (first, second) = try (Self.key(1), Self.key(2))
        func run(_ key: AEADKey, _ byteCount: Int, _ nonce: UInt64) -> Run {
            Run(
                key: key, head: Self.bytes(20, from: UInt8(nonce)), body: Self.bytes(byteCount, from: 1),
                bodyByteCount: 300, nonce: nonce)
        }
        Self.check([
            run(first, 900, 0), run(first, 10, 3), run(second, 1_000, 0), run(first, 601, 4), run(second, 0, 4),
        ])
    }
}
