import MeshBase
import MeshTestSupport
import MeshTransport
import NIOCore
import NIOPosix
import Testing

/// The vectors of RFC 5769; their message integrity is read over, since no authentication is used.
@Suite(.timeLimit(.minutes(5))) struct StunTests {
    private static let transactionID = hexadecimal("b7e7a701 bc34d686 fa87dfae")
    private static let request = hexadecimal(
        """
        00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74
        00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
        00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf
        """)
    private static let response4 = hexadecimal(
        """
        0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
        00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96
        """)
    private static let response6 = hexadecimal(
        """
        01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
        00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
        00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c
        """)

    private static func hexadecimal(_ text: String) -> [UInt8] {
        let digits = text.filter(\.isHexDigit)
        return stride(from: 0, to: digits.count, by: 2).compactMap { offset in
            UInt8(digits.dropFirst(offset).prefix(2), radix: 16)
        }
    }

    private func parse(_ bytes: [UInt8]) throws(StunError) -> StunMessage { try StunMessage.parse(bytes.span.rawBytes) }

    @Test func theSampleRequestIsUnderstoodButForThePriorityOfICE() throws {
        let message = try parse(Self.request)
        #expect(message.messageClass == .request)
        #expect(message.method == StunMessage.bindingMethod)
        #expect(message.transactionID == Self.transactionID)
        #expect(message.software == "STUN test client")
        #expect(message.hasFingerprint)
        #expect(message.notUnderstood == [0x0024])
        let answer = try #require(message.bindingAnswer(to: loopback))
        #expect(answer.messageClass == .error)
        #expect(answer.errorCode == 420)
        let parsed = try parse(answer.encoded)
        #expect(parsed.errorCode == 420)
        #expect(parsed.unknownAttributes == [0x0024])
        #expect(parsed.transactionID == Self.transactionID)
    }

    @Test func theSampleResponsesGiveTheirAddresses() throws {
        let version4 = try parse(Self.response4)
        #expect(version4.messageClass == .success)
        #expect(version4.software == "test vector")
        #expect(version4.mappedEndpoint?.description == "192.0.2.1:32853")
        let version6 = try parse(Self.response6)
        #expect(version6.mappedEndpoint?.description == "[2001:db8:1234:5678:11:2233:4455:6677]:32853")
        #expect(version6.hasFingerprint)
    }

    @Test func everyTruncationIsRefused() {
        for bytes in [Self.request, Self.response4, Self.response6] {
            for count in 0..<bytes.count {
                #expect(throws: StunError.self) { try parse(Array(bytes.prefix(count))) }
            }
            #expect(throws: StunError.lengthWrong) { try parse(bytes + [0, 0, 0, 0]) }
        }
    }

    @Test func everyFlippedBitIsNoticed() {
        for bytes in [Self.request, Self.response4, Self.response6] {
            for index in bytes.indices {
                for bit in 0..<8 {
                    var damaged = bytes
                    damaged[index] ^= 1 << UInt8(bit)
                    // The fingerprint is recognised by its type; without it there is nothing to notice damage by.
                    let parsed = try? parse(damaged)
                    #expect(parsed?.hasFingerprint != true)
                }
            }
        }
    }

    @Test func whatIsWrittenIsReadBack() throws {
        for source in [
            Endpoint(address: try #require(IPAddress(bytes: [192, 0, 2, 7])), port: 1),
            Endpoint(address: try #require(IPAddress(bytes: (1...16).map { $0 })), port: 65_535),
        ] {
            var request = StunMessage.bindingRequest()
            for hasFingerprint in [true, false] {
                request.hasFingerprint = hasFingerprint
                let received = try parse(request.encoded)
                #expect(received == request)
                let answer = try #require(received.bindingAnswer(to: source))
                #expect(try parse(answer.encoded) == answer)
                #expect(answer.mappedEndpoint == source)
                #expect(answer.encoded.count <= request.encoded.count + 24)
            }
        }
    }

    @Test func onlyBindingRequestsAreAnswered() {
        for (messageClass, method) in [(StunMessage.Class.indication, 1), (.success, 1), (.error, 1), (.request, 3)] {
            let message = StunMessage(
                messageClass: messageClass, method: UInt16(method), transactionID: Self.transactionID)
            #expect(message.bindingAnswer(to: loopback) == nil)
        }
    }

    @Test func randomBytesBehindAGoodHeaderNeverTrap() {
        let seed = testSeed()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let words = Int.random(in: 0...12, using: &random)
            var bytes: [UInt8] = [0, 1, 0, UInt8(words * 4), 0x21, 0x12, 0xA4, 0x42]
            while bytes.count < 20 + words * 4 {
                // Small numbers make plausible types and lengths.
                bytes.append(Bool.random(using: &random) ? 0 : UInt8.random(in: 0...40, using: &random))
            }
            if let message = try? parse(bytes), let answer = message.bindingAnswer(to: loopback) {
                #expect(answer.encoded.count <= bytes.count + 24, "seed \(seed)")
            }
        }
    }

    @Test func aServerTellsTheAddressItSees() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await StunServer.listen(on: [loopback], eventLoop: loop).get()
        let seen = try await StunClient.binding(to: server.endpoints[0], on: loop).get()
        #expect(seen.address == loopback.address)
        #expect(seen.port != 0)
        let counters = try await loop.submit { server.counters }.get()
        #expect(counters.answered == 1)
        try await server.close().get()
    }

    @Test func garbageAndFloodsAreCountedAndNotAnswered() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        var limits = StunServer.Limits()
        limits.requestsPerSecond = 1
        limits.requestsBurst = 2
        let server = try await StunServer.listen(on: [loopback], limits: limits, eventLoop: loop).get()
        let answers = Watched(0)
        let client = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramCounter(answers))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(server.port))
        let indication = StunMessage(messageClass: .indication, transactionID: Self.transactionID)
        for bytes in [[1, 2, 3], indication.encoded] + (0..<5).map({ _ in StunMessage.bindingRequest().encoded }) {
            let envelope = AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes))
            try await client.writeAndFlush(envelope)
        }
        let deadline = NIODeadline.now() + .seconds(20)
        var counters = StunServer.Counters()
        while counters.answered + counters.rateLimited < 5, NIODeadline.now() < deadline {
            counters = try await loop.submit { server.counters }.get()
        }
        #expect(counters.malformed == 1)
        #expect(counters.notBindingRequest == 1)
        #expect((2...3).contains(counters.answered))
        let answered = Int(counters.answered)
        try await answers.wait(for: "the answers") { $0 == answered }
        try await client.close()
        try await server.close().get()
    }
}

private final class DatagramCounter: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let count: Watched<Int>
    init(_ count: Watched<Int>) { self.count = count }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { count.update { $0 += 1 } }
}
