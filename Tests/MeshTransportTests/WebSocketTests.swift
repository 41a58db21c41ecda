import MeshBase
import MeshTransport
import NIOCore
import Testing

@Suite struct WebSocketTests {
    /// A message of `count` bytes that differ.
    private func message(_ count: Int, on connection: WebSocketConnection) -> ByteBuffer {
        var buffer = connection.makeMessageBuffer(capacity: count)
        for index in 0..<count { buffer.writeInteger(UInt8(truncatingIfNeeded: index &* 31 &+ count)) }
        return buffer
    }

    @Test(.timeLimit(.minutes(1))) func everySizeComesBackUnchanged() async throws {
        try await withLab { lab in
            let client = Recorder()
            let connection = try await WebSocketClient().connect(
                to: lab.url, on: lab.loop, handlers: client.handlers()
            ).get()
            let sizes = [0, 1, 2, 3, 4, 7, 8, 9, 125, 126, 127, 1_400, 16_384, 65_535, 65_536, 200_000]
            try await lab.loop.submit {
                for size in sizes {
                    connection.send(message(size, on: connection))
                    // Without headroom, and shared: the slow way must give the same bytes.
                    let shared = message(size, on: connection)
                    connection.send(ByteBuffer(bytes: shared.readableBytesView))
                    connection.send(shared)
                    #expect(shared == message(size, on: connection))
                }
                connection.flush()
            }.get()
            let messages = try await client.wait(for: "all echoes") { $0.messages.count == sizes.count * 3 }.messages
            for (index, received) in messages.enumerated() {
                #expect(received == message(sizes[index / 3], on: connection))
            }
            try await lab.loop.submit { connection.close() }.get()
            #expect(try await client.closeReason() == .local)
            #expect(try await lab.recorder.closeReason() == .remote(code: 1000, text: ""))
        }
    }

    @Test func theClientSeesTheHashOfTheServersKey() async throws {
        try await withLab { lab in
            let client = Recorder()
            let connection = try await WebSocketClient().connect(
                to: lab.url, on: lab.loop, handlers: client.handlers()
            ).get()
            #expect(connection.peerSPKIHash == testTLS.spkiHash)
            #expect(testTLS.spkiHash.count == 32)
            #expect(connection.remoteEndpoint == lab.server.endpoints[0])
            let accepted = try await lab.recorder.connection()
            #expect(accepted.peerSPKIHash == nil)
            #expect(accepted.remoteEndpoint == connection.localEndpoint)
        }
    }
}
