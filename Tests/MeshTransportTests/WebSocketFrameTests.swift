import MeshBase
import MeshTestSupport
import MeshTransport
import NIOCore
import Testing

@Suite struct WebSocketFrameTests {
    /// RFC 6455 section 5.7: "Hello", masked, as a binary frame.
    private static let hello: [UInt8] = [0x82, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]

    private func read(
        _ pieces: [[UInt8]], from sender: WebSocketRole = .client, max: Int = 1 << 16
    ) -> (frames: [WebSocketFrameReader.Frame], violation: WebSocketViolation?) {
        var reader = WebSocketFrameReader(from: sender, payloadByteCountMax: max)
        var frames: [WebSocketFrameReader.Frame] = []
        for piece in pieces {
            if let violation = reader.read(ByteBuffer(bytes: piece), into: &frames) { return (frames, violation) }
        }
        return (frames, nil)
    }

    @Test func theMaskedExampleOfTheStandardIsUnmasked() {
        let (frames, violation) = read([Self.hello])
        #expect(violation == nil)
        #expect(frames.map { String(buffer: $0.payload) } == ["Hello"])
    }

    @Test func noFrameIsDeliveredBeforeItsLastByte() {
        for count in 0..<Self.hello.count { #expect(read([Array(Self.hello.prefix(count))]).frames.isEmpty) }
    }

    @Test func piecesOfAnySizeGiveTheSameFrames() {
        let seed = testSeed()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var stream: [UInt8] = []
            var payloads: [[UInt8]] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let count = [0, 1, 7, 8, 9, 125, 126, 1_000, 0xFFFF, 0x1_0000].randomElement(using: &random) ?? 0
                let payload = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                let key = UInt32.random(in: .min ... .max, using: &random)
                stream += Self.frame(payload, key: key)
                payloads.append(payload)
            }
            var pieces: [[UInt8]] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...max(1, min(rest.count, 40_000)), using: &random)
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let (frames, violation) = read(pieces)
            #expect(violation == nil, "seed \(seed)")
            #expect(frames.map { Array($0.payload.readableBytesView) } == payloads, "seed \(seed)")
        }
    }

    @Test func aStreamWhosePiecesNeverEndWithAFrameTakesNoMoreMemoryThanAFewFrames() {
        let frame = Self.frame([UInt8](repeating: 1, count: 10_000), key: 7)
        let (half, pieceCount) = (frame.count / 2, 500)
        let piece = Array(frame[half...]) + Array(frame[..<half])
        let (frames, violation) = read([Array(frame[..<half])] + [[UInt8]](repeating: piece, count: pieceCount))
        #expect(violation == nil)
        #expect(frames.count == pieceCount)
        #expect(frames.allSatisfy { $0.payload.storageCapacity <= 65_536 })
    }

    @Test func framesBeforeAViolationAreStillDelivered() {
        let (frames, violation) = read([Self.hello + Self.hello + [0x81, 0x80]])
        #expect(frames.count == 2)
        #expect(violation == .textMessage)
    }

    @Test func aMaskFromAServerIsRefused() {
        #expect(read([Self.hello], from: .server).violation == .maskForbidden)
    }

    @Test func aLengthAboveTheLimitIsRefusedBeforeItsPayload() {
        #expect(read([[0x82, 0x7E, 0x01, 0x00]], from: .server, max: 256).violation == nil)
        #expect(
            read([[0x82, 0x7E, 0x01, 0x01]], from: .server, max: 256).violation
                == .messageTooLarge(byteCountMax: 256))
    }

    @Test func randomBytesNeverTrap() {
        let seed = testSeed()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random) & (Bool.random(using: &random) ? 0xFF : 0x82)
            }
            let sender: WebSocketRole = Bool.random(using: &random) ? .client : .server
            let half = bytes.count / 2
            let result = read([Array(bytes.prefix(half)), Array(bytes.dropFirst(half))], from: sender)
            #expect(result.frames.count <= bytes.count / 2, "seed \(seed)")
        }
    }

    @Test func closePayloadsAreCutToFitAndReadBack() throws {
        let payload = CloseFramePayload(code: 1001, text: String(repeating: "é", count: 100))
        #expect(payload.encoded.readableBytes <= 125)
        #expect(try CloseFramePayload(payload.encoded) == payload)
        #expect(try CloseFramePayload(ByteBuffer()) == CloseFramePayload(code: nil, text: ""))
        for code in [0, 999, 1004, 1005, 1006, 1015, 2_999, 5_000] as [UInt16] {
            let bytes = CloseFramePayload(code: code, text: "").encoded
            #expect(throws: WebSocketViolation.closeFrameMalformed) { try CloseFramePayload(bytes) }
        }
    }

    private static func frame(_ payload: [UInt8], key: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [0x82]
        switch payload.count {
        case ...125: bytes.append(0x80 | UInt8(payload.count))
        case ...0xFFFF: bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: bytes += [0xFF] + stride(from: 56, through: 0, by: -8).map { UInt8(payload.count >> $0 & 0xFF) }
        }
        let keyBytes = stride(from: UInt32(24), through: 0, by: -8).map { UInt8(key >> $0 & 0xFF) }
        return bytes + keyBytes + payload.enumerated().map { $0.element ^ keyBytes[$0.offset % 4] }
    }
}
