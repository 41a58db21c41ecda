import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite struct ControlStreamTests {
    private static func request(_ epoch: UInt8) -> StreamMessage {
        .rekeyRequest(
            RekeyRequest(
                epoch: epoch, encapsulationKey: [UInt8](repeating: epoch, count: SuiteSizes.encapsulationKeyByteCount),
                share: [UInt8](repeating: epoch, count: 32),
                signature: [UInt8](repeating: epoch, count: SuiteSizes.hybridSignatureByteCount)))
    }

    @Test func messagesArriveOnceAndInOrderThroughLossReorderingAndDuplication() throws {
        for seed in 1...60 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            let (sender, receiver) = (Stream(), Stream())
            var now = Instant(nanoseconds: 5)
            let loss = random.number(below: 300)
            let messages = (0..<8).map { Self.request(UInt8($0)) }
            var segments: [StreamSegment] = []
            var acknowledgements: [StreamAcknowledgement] = []
            var received: [StreamMessage] = []
            for message in messages { #expect(sender.send(message)) }
            for _ in 0..<40_000 where received.count < messages.count || !sender.isDrained {
                now = now.advanced(milliseconds: 5)
                segments += sender.segmentsToSend(at: now)
                if let again = sender.timedOut(at: now) { segments.append(again) }
                if let due = sender.deadline { #expect(due > now) }
                if !segments.isEmpty {
                    let place = Int(random.number(below: UInt64(segments.count)))
                    let segment = random.number(below: 10) == 0 ? segments[place] : segments.remove(at: place)
                    if random.number(below: 1_000) >= loss,
                        let answer = try receiver.received(segment, messages: &received)
                    {
                        acknowledgements.append(answer)
                    }
                }
                if !acknowledgements.isEmpty {
                    let place = Int(random.number(below: UInt64(acknowledgements.count)))
                    let answer = acknowledgements.remove(at: place)
                    if random.number(below: 1_000) >= loss { #expect(sender.received(answer, at: now)) }
                }
            }
            #expect(received == messages && sender.isDrained, "seed \(seed), loss \(loss)")
            #expect(sender.deadline == nil)
        }
    }

    @Test func noMoreThanTheWindowIsInFlightAndNoMoreThanTheBacklogIsQueued() {
        let sender = Stream()
        var accepted = 0
        while accepted < 100, sender.send(Self.request(1)) { accepted += 1 }
        #expect(accepted == 10, "64 KiB of 6,292-byte messages")
        let segments = sender.segmentsToSend(at: .zero)
        #expect(segments.reduce(0) { $0 + $1.data.count } == Int(ControlStream.windowByteCount))
        #expect(sender.segmentsToSend(at: .zero).isEmpty)
    }

    @Test func acknowledgingBytesThatWereNeverSentIsRefused() {
        let sender = Stream()
        #expect(!sender.received(StreamAcknowledgement(transmission: 0, nextOffset: 1), at: .zero))
        _ = sender.send(.close(.shutdown))
        let sent = sender.segmentsToSend(at: .zero)
        #expect(!sender.received(StreamAcknowledgement(transmission: 0, nextOffset: .max), at: .zero))
        #expect(sent.count == 1 && !sender.isDrained)
        #expect(sender.received(StreamAcknowledgement(transmission: 0, nextOffset: 5), at: .zero) && sender.isDrained)
    }

    @Test func overlappingSegmentsGiveTheStreamOnce() throws {
        let bytes = StreamMessage.close(.shutdown).bytes + StreamMessage.unknown(type: 9).bytes
        for seed in 1...50 as ClosedRange<UInt64> {
            var random = EntropySource.seeded(seed)
            let receiver = Stream()
            var messages: [StreamMessage] = []
            for transmission in 0..<200 as Range<UInt32> {
                let start = Int(random.number(below: UInt64(bytes.count)))
                let end = start + 1 + Int(random.number(below: UInt64(bytes.count - start)))
                let segment = StreamSegment(
                    transmission: transmission, offset: UInt64(start), data: Array(bytes[start..<end]))
                _ = try receiver.received(segment, messages: &messages)
            }
            #expect(messages == [.close(.shutdown), .unknown(type: 9)], "seed \(seed)")
            #expect(receiver.heldByteCount == 0)
        }
    }

    @Test func aMessageThatIsTooLargeBreaksTheStream() {
        let receiver = Stream()
        var messages: [StreamMessage] = []
        let header: [UInt8] = [1, 0, 0x40, 1]
        #expect(throws: WireError.invalidField(.streamMessage)) {
            try receiver.received(StreamSegment(transmission: 0, offset: 0, data: header), messages: &messages)
        }
    }

    @Test func segmentsBeyondTheWindowOrTheEndOfNumbersAreDropped() throws {
        let receiver = Stream()
        var messages: [StreamMessage] = []
        for offset in [ControlStream.windowByteCount, .max, .max - 5] as [UInt64] {
            let segment = StreamSegment(transmission: 0, offset: offset, data: [1, 2])
            #expect(try receiver.received(segment, messages: &messages) == nil)
        }
        #expect(receiver.heldByteCount == 0)
    }

    @Test func whatAPeerCanMakeANodeHoldIsBounded() throws {
        var random = EntropySource.seeded(3)
        let receiver = Stream()
        var messages: [StreamMessage] = []
        // A message of 16,384 bytes that never ends, and early segments of all sizes.
        let header: [UInt8] = [9, 0, 0x40, 0]
        _ = try receiver.received(StreamSegment(transmission: 0, offset: 0, data: header), messages: &messages)
        for _ in 0..<20_000 {
            let offset = 5 + random.number(below: 40_000)
            let data = [UInt8](repeating: 1, count: 1 + Int(random.number(below: 1_000)))
            _ = try receiver.received(StreamSegment(transmission: 1, offset: offset, data: data), messages: &messages)
            #expect(receiver.heldByteCount <= 4 + 64 * 1_000)
        }
        #expect(messages.isEmpty)
    }

    @Test func theTimeOutDoublesWithEachResendAndRecoversWithAnAnswer() throws {
        let sender = Stream()
        var now = Instant(nanoseconds: 1)
        _ = sender.send(.close(.shutdown))
        _ = sender.segmentsToSend(at: now)
        var gaps: [UInt64] = []
        var last: StreamSegment?
        for _ in 0..<6 {
            let due = try #require(sender.deadline)
            gaps.append(due.milliseconds(since: now))
            now = due
            last = sender.timedOut(at: now)
            #expect(last != nil)
        }
        #expect(gaps == [1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
        let again = try #require(last)
        now = now.advanced(milliseconds: 50)
        let taken = sender.received(
            StreamAcknowledgement(transmission: again.transmission, nextOffset: 5), at: now)
        #expect(taken && sender.deadline == nil)
        _ = sender.send(.close(.shutdown))
        _ = sender.segmentsToSend(at: now)
        #expect(sender.deadline == now.advanced(milliseconds: 200), "50 ms measured on the last transmission")
    }

    @Test func anEstimateSurvivesInstantsThatLieFarApart() {
        var estimator = RoundTripEstimator()
        for sample in [0, .max, 1, .max, .max, 0] as [UInt64] {
            estimator.sample(nanoseconds: sample)
            for _ in 0..<10 { estimator.backOff() }
            #expect((200_000_000...8_000_000_000).contains(estimator.timeoutNanoseconds))
        }
    }
}

/// A control stream behind a reference, so that expectations can call it.
private final class Stream {
    private var value = ControlStream()
    var deadline: Instant? { value.deadline }
    var isDrained: Bool { value.isDrained }
    var heldByteCount: Int { value.heldByteCount }
    func send(_ message: StreamMessage) -> Bool { value.send(message) }
    func segmentsToSend(at now: Instant) -> [StreamSegment] { value.segmentsToSend(at: now) }
    func timedOut(at now: Instant) -> StreamSegment? { value.timedOut(at: now) }
    func received(_ acknowledgement: StreamAcknowledgement, at now: Instant) -> Bool {
        value.received(acknowledgement, at: now)
    }
    func received(
        _ segment: StreamSegment, messages: inout [StreamMessage]
    ) throws(WireError) -> StreamAcknowledgement? { try value.received(segment, messages: &messages) }
}
