import Foundation
import MeshRegistry
import NIOCore
import NIOPosix
import Testing

/// Endpoints that are not there, or answer as no honest one does.
@Suite struct HTTPTransportTests {
    private static let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

    /// What comes of a request to a server that writes `answer` to whoever connects, and then more of it for ever if
    /// `isEndless`.
    private static func failure(_ answer: String, isEndless: Bool = false) async throws -> RPCFailure? {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answering(answer, isEndless: isEndless))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        defer { server.close(promise: nil) }
        let port = try #require(server.localAddress?.port)
        do throws(RPCFailure) {
            _ = try await HTTPTransport().post(Data("[]".utf8), to: "http://127.0.0.1:\(port)/", byteCountMax: 100_000)
            return nil
        } catch { return error }
    }

    @Test func anEndpointThatIsNotThereIsAFailure() async throws {
        // Port 1 is nobody's (tcpmux, RFC 1078).
        for url in ["http://127.0.0.1:1", "nonsense", "file:///etc/passwd", "unix:///run/a.sock"] {
            await #expect(throws: RPCFailure.self) {
                try await HTTPTransport().post(Data(), to: url, byteCountMax: 1024)
            }
        }
    }

    @Test func anAnswerHasALongestLength() async throws {
        #expect(try await Self.failure(Self.head + "content-length: 2\r\n\r\n[]") == nil)
        let tooLong = RPCFailure.tooLong(byteCountMax: 100_000)
        let long = String(repeating: " ", count: 100_001)
        #expect(try await Self.failure(Self.head + "content-length: 100001\r\n\r\n" + long) == tooLong)
        let chunk = "1000\r\n" + String(repeating: " ", count: 4096) + "\r\n"
        let start = Self.head + "transfer-encoding: chunked\r\n\r\n"
        #expect(try await Self.failure(start + chunk, isEndless: false) == .timedOut)
        #expect(try await Self.failure(start + String(repeating: chunk, count: 40), isEndless: true) == tooLong)
    }

    @Test func anAnswerIsReadWithinTheTimeForTheRequest() async throws {
        struct Endless: RPCTransport {
            func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data {
                // Takes seconds to read.
                Data(("[" + String(repeating: "{\"a\":[null]},", count: 500_000) + "1]").utf8)
            }
        }
        let call = RPCCall("eth_chainId", [])
        await #expect(throws: RPCFailure.timedOut) {
            try await Endless().ask("https://one.example", [call], within: .milliseconds(50))
        }
    }

    @Test func whatAnEndpointSaysHasNoControlCharacters() async throws {
        struct Refusing: RPCTransport {
            func post(_ body: Data, to url: String, byteCountMax: Int) async throws(RPCFailure) -> Data {
                let text = "no\\u009b31m\\u0007\\u001b[2J\\u202eway\\u2028!"
                return Data("[{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-1,\"message\":\"\(text)\"}}]".utf8)
            }
        }
        let answers = try await Refusing().ask("https://one.example", [RPCCall("eth_chainId", [])])
        guard case .refusal(-1, let message) = answers[0] else {
            Issue.record("no refusal")
            return
        }
        #expect(message == "no\u{FFFD}31m\u{FFFD}\u{FFFD}[2J\u{FFFD}way\u{FFFD}!")
    }

    @Test func aRedirectionIsNotFollowed() async throws {
        let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
        #expect(try await Self.failure(redirect) == .status(307))
    }

    @Test func otherAnswersThanHTTPAreAFailure() async throws {
        guard case .unreachable = try await Self.failure("SSH-2.0-server\r\n") else {
            Issue.record("it is taken")
            return
        }
    }
}

/// Writes when something came, and more when that is written if it is endless.
private final class Answering: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: String
    private let isEndless: Bool
    private var hasAnswered = false

    init(_ answer: String, isEndless: Bool) {
        self.answer = answer
        self.isEndless = isEndless
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A request may come in pieces, and has one answer.
        guard !hasAnswered else { return }
        hasAnswered = true
        write(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isEndless, context.channel.isWritable { write(context) }
    }

    private func write(_ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    }
}
