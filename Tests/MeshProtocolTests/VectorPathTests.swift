import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

@Suite("The committed vectors about paths agree with this implementation")
struct VectorPathTests {
    private let file: VectorValue
    private let now = Instant(nanoseconds: 1_000_000_000)

    init() throws { file = try VectorValue.file("paths") }

    @Test("contents about paths decode as listed and encode again to the same bytes")
    func contents() throws {
        for entry in try file["contents"].list {
            let name = try entry["name"].text
            let content = try entry["content"].bytes
            let decoded = try entry["decoded"]
            let kind = try #require(content.first.flatMap(ContentKind.init(rawValue:)))
            let again: [UInt8]
            switch kind {
            case .pathEnd: again = try end(content, decoded)
            case .pathChallenge: again = try challenge(content, decoded)
            case .pathAnswer: again = try answer(content, decoded)
            case .poll: again = try poll(content, decoded)
            case .pollAnswer: again = try pollAnswer(content, decoded)
            default:
                Issue.record("\(name) is not about paths")
                continue
            }
            #expect(try ([kind.rawValue] + again == content) == entry["encodes_again"].flag, "\(name)")
        }
    }

    private func end(_ content: [UInt8], _ decoded: VectorValue) throws -> [UInt8] {
        let message = try PathEnd(parsing: content.span.rawBytes.extracting(1...))
        #expect(try UInt64(message.generation) == decoded["generation"].number)
        #expect(try message.isOldPathDead == decoded["old_path_dead"].flag)
        #expect(try message.frameCount == decoded["frames"].number)
        return message.bytes
    }

    private func challenge(_ content: [UInt8], _ decoded: VectorValue) throws -> [UInt8] {
        let message = try PathChallenge(parsing: content.span.rawBytes.extracting(1...))
        #expect(try UInt64(message.pathID) == decoded["path_id"].number)
        #expect(try bytes(message.challenge) == decoded["challenge"].bytes)
        #expect(try UInt64(message.contentByteCount) == decoded["byte_count"].number)
        return message.bytes
    }

    private func answer(_ content: [UInt8], _ decoded: VectorValue) throws -> [UInt8] {
        let message = try PathAnswer(parsing: content.span.rawBytes.extracting(1...))
        #expect(try UInt64(message.pathID) == decoded["path_id"].number)
        #expect(try bytes(message.challenge) == decoded["challenge"].bytes)
        #expect(try message.observed.address.bytes == decoded["address"].bytes)
        #expect(try UInt64(message.observed.port) == decoded["port"].number)
        #expect(try UInt64(message.contentByteCount) == decoded["byte_count"].number)
        return message.bytes
    }

    private func poll(_ content: [UInt8], _ decoded: VectorValue) throws -> [UInt8] {
        let message = try PathPoll(parsing: content.span.rawBytes.extracting(1...))
        #expect(try message.number == decoded["number"].number)
        #expect(try message.isLast == decoded["last"].flag)
        #expect(try message.isInDoubt == decoded["in_doubt"].flag)
        return message.bytes
    }

    private func pollAnswer(_ content: [UInt8], _ decoded: VectorValue) throws -> [UInt8] {
        let message = try PathPollAnswer(parsing: content.span.rawBytes.extracting(1...))
        #expect(try message.number == decoded["number"].number)
        #expect(try message.highestCounter == decoded["highest_counter"].number)
        #expect(try message.frameCount == decoded["frames"].number)
        #expect(try message.longFrameCount == decoded["long_frames"].number)
        return message.bytes
    }

    private func bytes(_ value: UInt64) -> [UInt8] {
        var writer = WireWriter(capacity: 8)
        writer.write(value)
        return writer.bytes
    }

    @Test("contents that are cut short, too long or contradict themselves are refused")
    func refusedContents() throws {
        for entry in try file["refused_contents"].list {
            let name = try entry["name"].text
            let content = try entry["content"].bytes
            let body = Array(content.dropFirst())
            let found =
                ContentKind(rawValue: content[0]).map {
                    VectorRefusalTests.isWellFormed($0, body) ? "accepted" : "malformed_content"
                } ?? "unknown_content"
            #expect(try found == entry["refusal"].text, "\(name)")
        }
    }

    @Test("stream messages about paths decode as listed")
    func streamMessages() throws {
        for entry in try file["stream_messages"].list {
            let name = try entry["name"].text
            let message = try entry["message"].bytes
            let type = UInt8(try entry["type"].number)
            switch try StreamMessage(type: type, body: message.span.rawBytes.extracting(4...)) {
            case .candidates(let list):
                let expected = try entry["candidates"].list
                #expect(list.count == expected.count, "\(name)")
                for (candidate, listed) in zip(list, expected) { try VectorTests.expect(candidate, is: listed) }
            case .openConnections: #expect(type == 5)
            case .punch(let request): #expect(type == 6 && request.bytes == Array(message.dropFirst(4)))
            case .unknown: #expect(type == 0x7F)
            default: Issue.record("\(name) is another message")
            }
            #expect(try received(message) == 1, "\(name)")
        }
    }

    /// Messages that a stream of these bytes gives, in segments.
    private func received(_ bytes: [UInt8]) throws -> Int {
        var stream = ControlStream()
        var messages: [StreamMessage] = []
        for segment in VectorTests.segments(of: bytes) {
            let acknowledgement = try stream.received(segment, messages: &messages)
            #expect(acknowledgement != nil)
        }
        return messages.count
    }

    @Test("a node sends to the listed usable addresses only, whatever its peer names")
    func addresses() throws {
        for entry in try file["addresses"].list {
            let address = try #require(IPAddress(bytes: try entry["address"].bytes))
            let endpoint = Endpoint(address: address, port: UInt16(try entry["port"].number))
            #expect(try endpoint.isUsable(allowsLoopback: false) == entry["usable"].flag, "\(endpoint)")
        }
    }

    @Test("slices are held, refused and joined as listed")
    func slices() throws {
        for entry in try file["slices"].list {
            let name = try entry["name"].text
            var assembly = FrameAssembly()
            for (slice, outcome) in zip(try entry["slices"].list, try entry["outcomes"].list) {
                let content = try slice.bytes
                let expected = try outcome["result"].text
                do {
                    let frame = try assembly.add(content.span.rawBytes.extracting(1...), at: now)
                    #expect(expected == (frame == nil ? "held" : "frame"), "\(name)")
                    if let frame { #expect(try frame == outcome["frame"].bytes, "\(name)") }
                } catch is WireError { #expect(expected == "refused", "\(name)") }
            }
        }
    }

    @Test("frames of several path generations are delivered in the listed order")
    func order() throws {
        for entry in try file["order"].list {
            let name = try entry["name"].text
            var order = FrameOrder()
            for step in try entry["steps"].list {
                let delivered = try perform(step, &order)
                #expect(try delivered == step["delivered"].list.map { UInt8(try $0.number) }, "\(name)")
            }
        }
    }

    private func perform(_ step: VectorValue, _ order: inout FrameOrder) throws -> [UInt8] {
        if let end = try step.optional("end") {
            return order.received(try end.parsed { try PathEnd(parsing: $0.extracting(1...)) }).flatMap(\.bytes)
        }
        guard let counter = try step.optional("counter")?.number else {
            return order.timedOut(waitNanoseconds: 0, at: now.advanced(milliseconds: 10_000)).flatMap(\.bytes)
        }
        let generation = UInt8(try step["generation"].number)
        let content = FrameOrder.Content(kind: .frame, bytes: [UInt8(counter)])
        if order.mayDeliver(generation: generation, at: now) { return content.bytes + order.advance().flatMap(\.bytes) }
        order.hold(content, generation: generation, counter: counter, at: now)
        return order.advance().flatMap(\.bytes)
    }

    @Test("the records of datagrams open, have the listed sizes, and answer each other")
    func datagrams() throws {
        let entries = try file["datagrams"].list
        let plain = try VectorValue.file("handshakes").list[0]
        let records = try entries.map { try VectorTests.open($0, epochs: [plain]) }
        #expect(records.map { $0.record.count }[..<2] == [1200, 1200])
        let challenge = try records[0].parsed { try PathChallenge(parsing: $0) }
        let answer = try records[1].parsed { try PathAnswer(parsing: $0) }
        #expect(answer == PathAnswer(challenge, observed: answer.observed))
        let counts = try records[7].parsed { try PathPollAnswer(parsing: $0) }
        let frames = records[3...5]
        #expect(counts.frameCount == UInt64(frames.count))
        #expect(counts.longFrameCount == UInt64(frames.count { $0.record.count > 1200 }))
        #expect(counts.highestCounter == records[6].header.counter)
        #expect(frames.allSatisfy { $0.header.pathGeneration == 1 })
        var assembly = FrameAssembly()
        let first = try records[4].parsed { try assembly.add($0, at: now) }
        let second = try records[5].parsed { try assembly.add($0, at: now) }
        #expect(first == nil)
        #expect(second?.count == 2_000)
    }

    @Test("RESET by datagram is the message itself")
    func reset() throws {
        let entry = try file["reset_datagram"]
        let message = try entry["bytes"].parsed { try SessionReset(parsing: $0) }
        #expect(try UInt64(message.sessionIndex) == entry["session_index"].number)
        let sender = try VectorCast()[entry["sender"].text]
        #expect(message.token == sender.resetToken(for: message.sessionIndex))
    }
}
