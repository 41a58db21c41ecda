import MeshBase
import MeshTransport
import NIOCore
import Testing

/// What a client may not do to a server, byte by byte over real TLS.
@Suite(.timeLimit(.minutes(2))) struct WebSocketViolationTests {
    /// A frame with the masking key 0, which leaves the payload as it is.
    private static func masked(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [first, 0x80 | UInt8(payload.count), 0, 0, 0, 0] + payload
    }

    static let cases: [([UInt8], WebSocketViolation)] = [
        ([0x82, 1, 7], .maskMissing),
        (masked(0x81, [0x61]), .textMessage),
        (masked(0xC2, []), .reservedBitSet),
        (masked(0x83, []), .unknownOpcode(3)),
        (masked(0x09, []), .controlFrameFragmented),
        ([0x89, 0xFE, 0, 126], .controlFrameTooLong),
        ([0x82, 0xFE, 0, 125], .lengthMalformed),
        ([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], .lengthMalformed),
        ([0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1], .messageTooLarge(byteCountMax: 1 << 20)),
        (masked(0x80, []), .continuationUnexpected),
        (masked(0x02, [1]) + masked(0x82, [2]), .fragmentsInterrupted),
        (masked(0x88, [3]), .closeFrameMalformed),
        (masked(0x88, [0x03, 0xED]), .closeFrameMalformed),
        (masked(0x88, [0x03, 0xE8, 0xFF]), .closeTextNotUTF8),
    ]

    @Test(arguments: cases) func aViolationEndsItsConnectionWithItsCode(
        bytes: [UInt8], violation: WebSocketViolation
    ) async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            try await client.upgrade()
            client.send(bytes)
            #expect(try await lab.recorder.closeReason() == .violation(violation))
            let seen = try await client.wait(for: "a close frame") { $0.bytes.count >= 4 }
            #expect(seen.bytes[0] == 0x88)
            #expect(UInt16(seen.bytes[2]) << 8 | UInt16(seen.bytes[3]) == violation.closeCode)
            try await lab.expectEcho()
            _ = try await client.untilClosed()
            _ = try await lab.counters { $0.closed.violation + $0.closed.tooLarge == 1 }
        }
    }

    @Test func fragmentsAreReassembledWithPingsBetweenThem() async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            try await client.upgrade()
            client.send(
                Self.masked(0x02, [1, 2]) + Self.masked(0x89, [9]) + Self.masked(0x00, []) + Self.masked(0x80, [3]))
            let seen = try await client.wait(for: "pong and echo") { $0.bytes.count >= 8 }
            #expect(seen.bytes == [0x8A, 1, 9, 0x82, 3, 1, 2, 3])
            client.close()
        }
    }

    @Test func fragmentsTogetherMayNotExceedTheLimit() async throws {
        var limits = WebSocketServer.Limits()
        limits.connection.messageByteCountMax = 100
        try await withLab(limits: limits) { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            try await client.upgrade()
            let part = [UInt8](repeating: 7, count: 50)
            client.send(Self.masked(0x02, part) + Self.masked(0x80, part))
            client.send(Self.masked(0x02, part) + Self.masked(0x00, part) + Self.masked(0x80, [1]))
            #expect(try await lab.recorder.closeReason() == .violation(.messageTooLarge(byteCountMax: 100)))
            #expect(lab.recorder.events.messages.map(\.readableBytes) == [100])
            client.close()
        }
    }

    @Test func closeCodesTravelBothWays() async throws {
        try await withLab { lab in
            let recorder = Recorder()
            _ = try await lab.connect(recorder)
            let accepted = try await lab.recorder.connection()
            try await lab.loop.submit { accepted.close(code: 1001, text: "going away") }.get()
            #expect(try await recorder.closeReason() == .remote(code: 1001, text: "going away"))
            #expect(try await lab.recorder.closeReason() == .local)
            _ = try await lab.counters { $0.closed.local == 1 }
        }
    }

    @Test func aSocketThatDiesWithoutACloseFrameVanished() async throws {
        try await withLab { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            try await client.upgrade()
            client.close()
            #expect(try await lab.recorder.closeReason() == .vanished)
        }
    }

    @Test func aSilentPeerIsPingedAndGivenUp() async throws {
        var limits = WebSocketServer.Limits()
        limits.connection.keepaliveSeconds = 1
        try await withLab(limits: limits) { lab in
            let client = try await RawClient.connect(to: lab.server.endpoints[0])
            try await client.upgrade()
            let seen = try await client.untilClosed()
            #expect(seen.bytes == [0x89, 0, 0x89, 0])
            #expect(try await lab.recorder.closeReason() == .silent(milliseconds: 2_333))
            _ = try await lab.counters { $0.closed.silent == 1 }
        }
    }
}
