import MeshBase
import MeshRelayServer
import NIOCore
import Testing

@Suite struct OutboundQueueTests {
    private let limits = OutboundQueue.Limits(
        controlMessagesMax: 5, signallingMessagesMax: 20, dataByteCountPerPairMax: 1_000, dataAgeMilliseconds: 1_000)
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func item(_ text: String, byteCount: Int = 0) -> ByteBuffer {
        ByteBuffer(string: text + String(repeating: ".", count: max(0, byteCount - text.utf8.count)))
    }

    /// Takes everything; what was taken, without its filling.
    private func drain(_ queue: inout OutboundQueue, at now: Instant, tooOld: inout UInt64) -> [String] {
        var taken: [String] = []
        while let item = queue.removeFirst(limits: limits, at: now, tooOld: &tooOld) {
            taken.append(String(buffer: item).filter { $0 != "." })
        }
        return taken
    }

    @Test func theRelaysOwnMessagesGoFirstThenSignallingThenData() {
        var queue = OutboundQueue()
        var tooOld: UInt64 = 0
        for round in 1...2 {
            #expect(queue.addData(item("data\(round)"), channel: 1, limits: limits, at: start) == nil)
            #expect(queue.addSignalling(item("hello\(round)"), channel: 1, limits: limits, at: start) == nil)
            #expect(queue.addControl(item("opened\(round)"), limits: limits) == nil)
        }
        let taken = drain(&queue, at: start, tooOld: &tooOld)
        #expect(taken == ["opened1", "opened2", "hello1", "hello2", "data1", "data2"])
        #expect(queue.isEmpty && queue.channelCount == 0 && queue.dataByteCount == 0 && tooOld == 0)
    }

    @Test func onePeersSignallingLeavesRoomForTheOthersAndForTheRelay() {
        var queue = OutboundQueue()
        var drops: [OutboundQueue.Drop] = []
        for number in 0..<100 {
            let drop = queue.addSignalling(item("\(number)"), channel: 1, limits: limits, at: start)
            if let drop { drops.append(drop) }
        }
        #expect(drops == Array(repeating: .signallingOfPairFull, count: 92))
        #expect(queue.addSignalling(item("other"), channel: 2, limits: limits, at: start) == nil)
        #expect(queue.addControl(item("opened"), limits: limits) == nil)
    }

    @Test func onePeersSignallingIsBoundedInBytes() {
        var queue = OutboundQueue()
        var tooOld: UInt64 = 0
        #expect(queue.addSignalling(item("a", byteCount: 12_901), channel: 1, limits: limits, at: start) == nil)
        #expect(
            queue.addSignalling(item("b", byteCount: 4_000), channel: 1, limits: limits, at: start)
                == .signallingOfPairFull)
        #expect(queue.addSignalling(item("c", byteCount: 12_901), channel: 2, limits: limits, at: start) == nil)
        let taken = drain(&queue, at: start, tooOld: &tooOld)
        #expect(taken == ["a", "c"])
        #expect(queue.addSignalling(item("d", byteCount: 16_384), channel: 1, limits: limits, at: start) == nil)
    }

    @Test func allSignallingTogetherAndTheRelaysOwnMessagesAreBounded() {
        var queue = OutboundQueue()
        for channel in 1...20 as ClosedRange<UInt32> {
            #expect(queue.addSignalling(item("x"), channel: channel, limits: limits, at: start) == nil)
        }
        #expect(queue.addSignalling(item("x"), channel: 21, limits: limits, at: start) == .signallingFull)
        #expect(queue.channelCount == 20, "what was dropped leaves nothing behind")
        for _ in 0..<5 { #expect(queue.addControl(item("x"), limits: limits) == nil) }
        #expect(queue.addControl(item("x"), limits: limits) == .controlFull)
    }

    @Test func dataIsBoundedPerPairAndInAll() {
        var queue = OutboundQueue()
        for channel in 1...4 as ClosedRange<UInt32> {
            #expect(queue.addData(item("x", byteCount: 600), channel: channel, limits: limits, at: start) == nil)
            #expect(
                queue.addData(item("x", byteCount: 401), channel: channel, limits: limits, at: start) == .dataFull)
            #expect(queue.addData(item("x", byteCount: 400), channel: channel, limits: limits, at: start) == nil)
        }
        #expect(queue.dataByteCount == 4_000)
        #expect(queue.addData(item("x"), channel: 5, limits: limits, at: start) == .dataFull, "four pairs' worth")
        var tooOld: UInt64 = 0
        _ = queue.removeFirst(limits: limits, at: start, tooOld: &tooOld)
        #expect(queue.addData(item("x", byteCount: 600), channel: 5, limits: limits, at: start) == nil)
    }

    @Test func dataThatWaitedLongerThanASecondIsCountedAndSkipped() {
        var queue = OutboundQueue()
        var tooOld: UInt64 = 0
        #expect(queue.addData(item("old"), channel: 1, limits: limits, at: start) == nil)
        #expect(queue.addData(item("old"), channel: 1, limits: limits, at: start) == nil)
        #expect(queue.addSignalling(item("hello"), channel: 1, limits: limits, at: start) == nil)
        let later = start.advanced(milliseconds: 1)
        #expect(queue.addData(item("new"), channel: 1, limits: limits, at: later) == nil)
        let taken = drain(&queue, at: later.advanced(milliseconds: 1_000), tooOld: &tooOld)
        #expect(taken == ["hello", "new"] && tooOld == 2)
        #expect(queue.isEmpty && queue.channelCount == 0 && queue.dataByteCount == 0)
    }
}
