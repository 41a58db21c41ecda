import MeshBase
import MeshTransport
import NIOCore
import NIOPosix
import Testing

/// What RFC 5780 adds to a STUN server.
@Suite(.timeLimit(.minutes(5))) struct StunBehaviorTests {
    /// Sends one request and returns the answer and where it came from.
    private func ask(
        _ server: Endpoint, _ change: StunMessage.ChangeRequest?
    ) async throws -> (answer: StunMessage, source: Endpoint) {
        var request = StunMessage.bindingRequest()
        request.changeRequest = change
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answers = Watched<[(StunMessage, Endpoint)]>([])
        let client = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AnswerCollector(answers))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try SocketAddress(ipAddress: server.address.description, port: Int(server.port))
        try await client.writeAndFlush(
            AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: request.encoded)))
        try await answers.wait(for: "the answer") { !$0.isEmpty }
        try await client.close()
        let (answer, source) = try #require(answers.value.first)
        #expect(answer.transactionID == request.transactionID)
        return (answer, source)
    }

    /// The kernel chooses the port; now and then somebody else has the one above.
    private func listen(on endpoints: [Endpoint], _ loop: any EventLoop) async throws -> StunServer {
        for _ in 0..<20 {
            let server = try await StunServer.listen(on: endpoints, eventLoop: loop).get()
            if server.alternateEndpoints.count == endpoints.count { return server }
            try await server.close().get()
        }
        throw DeadlinePassed(description: "no two ports in a row are free")
    }

    private func loopback(_ last: UInt8) throws -> Endpoint {
        Endpoint(address: try #require(IPAddress(bytes: [127, 0, 0, last])), port: 0)
    }

    @Test func aServerOfOneAddressAnswersFromItsOtherPort() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await listen(on: [try loopback(1)], loop)
        let first = server.endpoints[0]
        let other = Endpoint(address: first.address, port: first.port + 1)
        let plain = try await ask(first, nil)
        #expect(plain.source == first && plain.answer.responseOrigin == first && plain.answer.otherAddress == other)
        let changed = try await ask(first, .init(changesAddress: false, changesPort: true))
        #expect(changed.source == other && changed.answer.responseOrigin == other)
        // The other port is a server as well, whose other port is the first.
        let back = try await ask(other, .init(changesAddress: false, changesPort: true))
        #expect(back.source == first && back.answer.otherAddress == first)
        let refused = try await ask(first, .init(changesAddress: true, changesPort: true))
        #expect(refused.source == first && refused.answer.errorCode == 420)
        #expect(refused.answer.unknownAttributes == [3])
        try await server.close().get()
    }

    @Test func aServerOfTwoAddressesAnswersFromEach() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await listen(on: [try loopback(1), try loopback(2)], loop)
        let (first, second) = (server.endpoints[0], server.endpoints[1])
        for (changesAddress, changesPort) in [(false, false), (true, false), (false, true), (true, true)] {
            let (answer, source) = try await ask(
                first, .init(changesAddress: changesAddress, changesPort: changesPort))
            let base = changesAddress ? second : first
            #expect(source == Endpoint(address: base.address, port: base.port + (changesPort ? 1 : 0)))
            #expect(answer.otherAddress == Endpoint(address: second.address, port: second.port + 1))
        }
        let counters = try await loop.submit { server.counters }.get()
        #expect(counters.answered == 1 && counters.answeredElsewhere == 3)
        try await server.close().get()
    }

    @Test func aServerOnAllAddressesTellsWhichOneWasAsked() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let any = Endpoint(address: try #require(IPAddress(bytes: [0, 0, 0, 0])), port: 0)
        let server = try await listen(on: [any], loop)
        let asked = Endpoint(address: try loopback(1).address, port: server.port)
        let plain = try await ask(asked, nil)
        #expect(plain.answer.responseOrigin == asked)
        #expect(plain.answer.otherAddress == Endpoint(address: asked.address, port: server.port + 1))
        try await server.close().get()
    }

    @Test func aRequestOfTheFirstStunIsAnsweredInItsOwnWords() throws {
        let source = Endpoint(address: try #require(IPAddress(bytes: [192, 0, 2, 1])), port: 4_000)
        let identifier = [UInt8](0xE0...0xEF)
        let request = try #require(
            try? StunMessage.parse(([0, 1, 0, 8] + identifier + [0, 3, 0, 4, 0, 0, 0, 2]).span.rawBytes))
        #expect(request.isClassic && request.changeRequest == .init(changesAddress: false, changesPort: true))
        var answer = try #require(request.bindingAnswer(to: source))
        answer.responseOrigin = source
        answer.otherAddress = source
        let address: [UInt8] = [0, 8, 0, 1, 0x0F, 0xA0, 192, 0, 2, 1]
        let attributes = [[0, 1], [0, 4], [0, 5]].map { $0 + address }.joined()
        let expected = [1, 1, 0, 36] + identifier + attributes
        #expect(answer.encoded == expected)
        #expect(try StunMessage.parse(expected.span.rawBytes) == answer)
        // RESPONSE-ADDRESS would send the answer to anybody: refused.
        let elsewhere = [0, 1, 0, 12] + identifier + [0, 2] + address
        let refusal = try StunMessage.parse(elsewhere.span.rawBytes).bindingAnswer(to: source)
        #expect(refusal?.errorCode == 420 && refusal?.unknownAttributes == [2])
    }

    @Test func paddingIsAnsweredWithAsMuchAndNotTogetherWithAResponsePort() throws {
        let source = Endpoint(address: try #require(IPAddress(bytes: [192, 0, 2, 1])), port: 4_000)
        var request = StunMessage.bindingRequest()
        request.paddingByteCount = 1_500
        let bytes = request.encoded
        let parsed = try StunMessage.parse(bytes.span.rawBytes)
        #expect(parsed == request)
        let answer = try #require(parsed.bindingAnswer(to: source))
        #expect(answer.paddingByteCount == 1_500 && answer.encoded.count <= bytes.count + 24)
        request.responsePort = 5_000
        #expect(request.bindingAnswer(to: source)?.errorCode == 400)
        request.paddingByteCount = nil
        let withPort = request.encoded
        #expect(try StunMessage.parse(withPort.span.rawBytes) == request)
        #expect(request.bindingAnswer(to: source)?.mappedEndpoint == source)
    }

    @Test func whatIsAskedForIsWrittenAndReadBack() throws {
        for (changesAddress, changesPort) in [(false, false), (true, false), (false, true), (true, true)] {
            var message = StunMessage.bindingRequest()
            message.changeRequest = .init(changesAddress: changesAddress, changesPort: changesPort)
            message.responseOrigin = Endpoint(address: try #require(IPAddress(bytes: [192, 0, 2, 1])), port: 3478)
            message.otherAddress = Endpoint(
                address: try #require(IPAddress(bytes: [UInt8](repeating: 0x20, count: 16))), port: 3479)
            let bytes = message.encoded
            #expect(try StunMessage.parse(bytes.span.rawBytes) == message)
        }
    }
}

private final class AnswerCollector: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let answers: Watched<[(StunMessage, Endpoint)]>
    init(_ answers: Watched<[(StunMessage, Endpoint)]>) { self.answers = answers }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let bytes = Array(envelope.data.readableBytesView)
        guard let answer = try? StunMessage.parse(bytes.span.rawBytes), let port = envelope.remoteAddress.port,
            let text = envelope.remoteAddress.ipAddress, let address = IPAddress(text: text)
        else { return }
        answers.update { $0.append((answer, Endpoint(address: address, port: UInt16(port)))) }
    }
}
