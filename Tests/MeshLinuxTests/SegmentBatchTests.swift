import Glibc
import MeshBase
import MeshLinux
import Testing

/// Datagrams that are completed before they go out, whenever that is.
@Suite struct SegmentBatchTests {
    /// A socket on loopback.
    private final class Socket: SegmentSocket {
        let socket: DatagramSocket
        var segmentDescriptor: CInt { socket.number }
        var endpoint: Endpoint {
            // '!' okay: four bytes make an address.
            Endpoint(address: IPAddress(bytes: [127, 0, 0, 1])!, port: socket.localPort)
        }

        init() throws(SystemCallError) {
            socket = try DatagramSocket(isVersion6: false, port: 0, mark: nil, bufferByteCount: 1 << 20)
        }
    }

    /// Writes the complement of a datagram's second byte into its first.
    private final class Complement: SegmentCompletion, @unchecked Sendable {
        var offsets: [Int] = []
        var callCount = 0

        func complete(_ bytes: inout MutableRawSpan) {
            callCount += 1
            for offset in offsets {
                let value = ~bytes.bytes.bigEndian(at: offset + 1, as: UInt8.self)
                bytes.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
            }
            offsets = []
        }
    }

    /// Sends datagrams of the given lengths and expects each to arrive whole, in order and complete; a batch is emptied
    /// before it is full only when `flushesEarly` says so.
    private func check(_ byteCounts: [Int], to targets: Int = 1, usesSegmentation: Bool) throws -> Int {
        let sender = try Socket()
        let receivers = try (0..<targets).map { _ throws in try Socket() }
        let completion = Complement()
        let batch = SegmentBatch(
            socket4: sender, socket6: nil, usesSegmentation: usesSegmentation, completion: completion)
        var received: [[UInt8]] = []
        let input = ReceiveBatch()
        func receive() {
            for receiver in receivers {
                repeat {
                    _ = input.fill(from: receiver, isVersion6: false)
                    for index in 0..<input.messageCount {
                        input.forEachDatagram(of: index) { datagram in
                            let bytes = datagram.bytes
                            var copy: [UInt8] = []
                            for place in 0..<bytes.byteCount {
                                copy.append(bytes.bigEndian(at: place, as: UInt8.self))
                            }
                            received.append(copy)
                        }
                    }
                } while input.messageCount > 0
            }
        }
        for (number, byteCount) in byteCounts.enumerated() {
            batch.setDestination(receivers[number % targets].endpoint)
            let added = batch.append(byteCountMax: byteCount + 10) { datagram in
                for place in 0..<byteCount {
                    datagram.storeBytes(of: UInt8(truncatingIfNeeded: number), toByteOffset: place, as: UInt8.self)
                }
                return byteCount
            }
            #expect(added == byteCount)
            completion.offsets.append(batch.latestOffset)
            receive()
        }
        batch.flush()
        receive()
        #expect(completion.offsets.isEmpty)
        let expected = byteCounts.enumerated().map { number, byteCount in
            [~UInt8(truncatingIfNeeded: number)]
                + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: byteCount - 1)
        }
        // Loopback keeps the order of each socket.
        for target in 0..<targets {
            let own = expected.indices.filter { $0 % targets == target }.map { expected[$0] }
            let came = received.filter { targets == 1 || Int(~$0[0]) % targets == target }
            #expect(came == own)
        }
        return completion.callCount
    }

    @Test(arguments: [true, false]) func aFullSlabIsCompletedAndSent(usesSegmentation: Bool) throws {
        // 400 of 1,400 bytes: twice the slab of 256 KiB.
        let calls = try check([Int](repeating: 1_400, count: 400), usesSegmentation: usesSegmentation)
        #expect(calls > 2)
    }

    @Test func moreMessagesThanOneCallTakesAreCompleted() throws {
        // Each longer than the one before: none joins another's message, of which there are 64.
        let calls = try check((0..<150).map { 100 + $0 }, usesSegmentation: true)
        #expect(calls == 3)
    }

    @Test func datagramsToSeveralAddressesAreCompleted() throws {
        _ = try check((0..<120).map { 60 + $0 % 7 * 100 }, to: 2, usesSegmentation: true)
    }

    /// Sends runs of `count` datagrams of 500 bytes, the last of `lastByteCount`, and returns the first bytes and the lengths of
    /// what came.
    private func sendRuns(
        _ runs: Int, count: Int, lastByteCount: Int, usesSegmentation: Bool
    ) throws -> [(first: UInt8, byteCount: Int)] {
        let (sender, receiver) = try (Socket(), Socket())
        let batch = SegmentBatch(socket4: sender, socket6: nil, usesSegmentation: usesSegmentation)
        batch.setDestination(receiver.endpoint)
        for run in 0..<runs {
            let added = batch.append(upTo: count, byteCount: 500, lastByteCount: lastByteCount) { added, datagrams in
                #expect(added == count)
                #expect(datagrams.byteCount == (count - 1) * 500 + lastByteCount)
                for index in 0..<count {
                    datagrams.storeBytes(
                        of: UInt8(truncatingIfNeeded: run * count + index), toByteOffset: index * 500, as: UInt8.self)
                }
                return true
            }
            #expect(added?.count == count)
        }
        batch.flush()
        #expect(batch.counters.sentCount == UInt64(runs * count) && batch.counters.refusedCounts.isEmpty)
        let input = ReceiveBatch()
        var received: [(UInt8, Int)] = []
        repeat {
            _ = input.fill(from: receiver, isVersion6: false)
            for index in 0..<input.messageCount {
                input.forEachDatagram(of: index) {
                    received.append(($0.bytes.bigEndian(at: 0, as: UInt8.self), $0.byteCount))
                }
            }
        } while input.messageCount > 0
        return received
    }

    @Test(arguments: [(1, 500), (1, 7), (44, 500), (44, 7), (63, 499), (64, 1)], [true, false])
    func runsOfDatagramsArriveWholeAndInOrder(_ run: (count: Int, lastByteCount: Int), usesSegmentation: Bool) throws {
        // More than the slab and the messages of one call hold.
        let received = try sendRuns(
            12, count: run.count, lastByteCount: run.lastByteCount, usesSegmentation: usesSegmentation)
        #expect(received.map(\.first) == (0..<12 * run.count).map { UInt8(truncatingIfNeeded: $0) })
        #expect(
            received.map(\.byteCount)
                == (0..<12 * run.count).map { ($0 + 1) % run.count == 0 ? run.lastByteCount : 500 })
    }

    @Test(arguments: [
        (65, 500, false, 64), (300, 1_000, true, 262), (300, 10_000, false, 26), (10_000, 20, true, 4_096),
    ])
    func ofARunThatNoBatchHoldsAsManyGoAsItDoes(
        _ run: (count: Int, byteCount: Int, usesSegmentation: Bool, room: Int)
    ) throws {
        let sender = try Socket()
        let batch = SegmentBatch(socket4: sender, socket6: nil, usesSegmentation: run.usesSegmentation)
        batch.setDestination(try Socket().endpoint)
        for _ in 0..<2 {
            let added = batch.append(upTo: run.count, byteCount: run.byteCount, lastByteCount: 1) { count, datagrams in
                #expect(count == run.room && datagrams.byteCount == run.room * run.byteCount)
                return true
            }
            #expect(added?.offset == 0 && added?.count == run.room)
        }
    }

    @Test func aRunGoesOnWhenSegmentationIsGivenUpInTheMiddleOfIt() throws {
        let (sender, receiver) = try (Socket(), Socket())
        // Without checksums the kernel takes single datagrams and no segments.
        var isOn: CInt = 1
        // SAFETY: the option is an integer of this size.
        let result = unsafe setsockopt(
            sender.segmentDescriptor, SOL_SOCKET, SO_NO_CHECK, &isOn, socklen_t(MemoryLayout<CInt>.size))
        try #require(result == 0)
        let batch = SegmentBatch(socket4: sender, socket6: nil, usesSegmentation: true)
        batch.setDestination(receiver.endpoint)
        var counts: [Int] = []
        for _ in 0..<4 {
            var rest = 200
            while rest > 0 {
                let added = batch.append(upTo: rest, byteCount: 1_000, lastByteCount: 10) { _, _ in true }
                counts.append(try #require(added).count)
                rest -= counts.last ?? rest
            }
        }
        batch.flush()
        #expect(counts == [200, 64, 64, 64, 8, 64, 64, 64, 8, 64, 64, 64, 8])
        #expect(!batch.usesSegmentation && batch.counters.segmentationFailureCount > 0)
        #expect(batch.counters.sentCount == 800 && batch.counters.refusedCounts.isEmpty)
    }

    @Test func aDatagramLongerThanAMessageIsNotWritten() throws {
        let batch = SegmentBatch(socket4: try Socket(), socket6: nil, usesSegmentation: true)
        batch.setDestination(try Socket().endpoint)
        let byteCount = SegmentBatch.messageByteCountMax + 1
        let added = batch.append(upTo: 4, byteCount: byteCount, lastByteCount: 1) { _, _ in true }
        #expect(added == nil && batch.append(byteCountMax: byteCount) { $0.byteCount } == nil && batch.isEmpty)
        #expect(batch.append(byteCountMax: byteCount - 1) { $0.byteCount } == byteCount - 1)
    }

    @Test func whatIsNotWrittenIsNotSent() throws {
        let batch = SegmentBatch(socket4: try Socket(), socket6: nil, usesSegmentation: true)
        batch.setDestination(try Socket().endpoint)
        let added = batch.append(upTo: 4, byteCount: 100, lastByteCount: 1) { _, _ in false }
        #expect(added == nil && batch.append(byteCountMax: 100) { _ in nil } == nil && batch.isEmpty)
    }

    @Test func whatWaitsIsSentBeforeARunThatDoesNotFitBehindIt() throws {
        let (sender, receiver) = try (Socket(), Socket())
        func batch() -> SegmentBatch {
            let batch = SegmentBatch(socket4: sender, socket6: nil, usesSegmentation: false)
            batch.setDestination(receiver.endpoint)
            for _ in 0..<20 { batch.append(byteCountMax: 100) { _ in 100 } }
            return batch
        }
        let (full, sent) = (batch(), batch())
        // 20 and 44 are as many as one call takes.
        #expect(full.append(upTo: 44, byteCount: 100, lastByteCount: 100) { _, _ in true }?.offset == 2_000)
        #expect(full.counters.sentCount == 0)
        #expect(sent.append(upTo: 45, byteCount: 100, lastByteCount: 100) { _, _ in true }?.offset == 0)
        #expect(sent.counters.sentCount == 20)
    }

    @Test func aBatchSaysWhetherTheLongestFrameStillFits() throws {
        let sender = try Socket()
        let batch = SegmentBatch(socket4: sender, socket6: nil, usesSegmentation: true)
        batch.setDestination(try Socket().endpoint)
        #expect(batch.hasRoom)
        for _ in 0..<3 * 45 { batch.append(byteCountMax: 1_452) { _ in 1_452 } }
        #expect(batch.hasRoom, "those were three superframes of 60,000 bytes: a fourth one fits")
        for _ in 0..<45 { batch.append(byteCountMax: 1_452) { _ in 1_452 } }
        #expect(!batch.hasRoom)
        batch.flush()
        #expect(batch.hasRoom)
    }
}
