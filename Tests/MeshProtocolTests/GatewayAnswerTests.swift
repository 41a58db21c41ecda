import MeshProtocol
import Testing

@Suite struct GatewayAnswerTests {
    private static let head = "HTTP/1.1 200 OK\r\nServer: x\r\n"
    /// Answers, each with the bytes after which it is whole; `nil`: when the connection ends.
    private static let answers: [(text: String, body: String, isEnded: Bool)] = [
        (head + "Content-Length: 5\r\n\r\nhello", "hello", true),
        (head + "Content-Length: 0\r\n\r\n", "", true),
        (head + "\r\nhello\r\n\r\n", "hello\r\n\r\n", false),
        (
            head + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n\r\n\r\n\r\n\r\n0\r\n",
            "hello\r\n\r\n\r\n", true
        ),
        (head + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "", true),
    ]

    @Test func theEndIsFoundWithTheByteThatEndsItHoweverManyComeAtOnce() throws {
        for (text, body, isEnded) in Self.answers {
            let bytes = Array(text.utf8)
            #expect(GatewayHTTPAnswer(bytes)?.body == Array(body.utf8))
            for step in [1, 2, 3, 7, bytes.count] {
                var end = GatewayAnswerEnd()
                for count in stride(from: step, to: bytes.count, by: step) {
                    let isWhole = end.isWhole(Array(bytes[..<count]))
                    #expect(!isWhole, "\(text) \(count)")
                }
                let found = [end.isWhole(bytes), end.isWhole(bytes + [1])]
                #expect(found == [isEnded, isEnded], "\(text)")
            }
        }
    }

    @Test(arguments: [
        "SSH-2.0\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n",
    ])
    func whatIsNoAnswerIsNotWaitedFor(text: String) {
        var end = GatewayAnswerEnd()
        let isWhole = end.isWhole(Array(text.utf8))
        #expect(isWhole)
        #expect(GatewayHTTPAnswer(Array(text.utf8)) == nil)
    }

    @Test func whatHasNotComeIsNoAnswer() {
        for (text, _, isEnded) in Self.answers where isEnded {
            let bytes = Array(text.utf8)
            for count in 0..<bytes.count { #expect(GatewayHTTPAnswer(Array(bytes[..<count])) == nil) }
        }
    }
}
