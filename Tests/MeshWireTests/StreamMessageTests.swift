import MeshBase
import MeshWire
import Testing

@Suite struct StreamMessageTests {
    /// Parses type, 3-byte count and body, which is all there is.
    private static let rewrite: Rewrite = { (bytes) throws(WireError) in
        var reader = WireReader(bytes.span.rawBytes)
        let head = try reader.readInteger(as: UInt32.self)
        let body = try reader.readBytes(count: Int(head & 0xFF_FFFF))
        try reader.requireEnd()
        return try StreamMessage(type: UInt8(head >> 24), body: body.span.rawBytes).bytes
    }

    private static let request = RekeyRequest(
        epoch: 7, encapsulationKey: pattern(1568, from: 1), share: pattern(32, from: 2),
        signature: pattern(4691, from: 3))
    private static let reply = RekeyReply(
        epoch: 8, ciphertext: pattern(1568, from: 4), share: pattern(32, from: 5), signature: pattern(4691, from: 6))

    private func refusal(type: UInt8, _ body: [UInt8]) -> WireError? {
        do throws(WireError) {
            _ = try StreamMessage(type: type, body: body.span.rawBytes)
            return nil
        } catch {
            return error
        }
    }

    @Test func aRekeyRequestHasItsFieldsWhereTheLayoutSays() throws {
        let bytes = StreamMessage.rekeyRequest(Self.request).bytes
        #expect(bytes.count == 4 + 6292)
        #expect(bytes[..<5] == [1, 0x00, 0x18, 0x94, 7])
        #expect(Array(bytes[5..<1573]) == pattern(1568, from: 1))
        #expect(Array(bytes[1573..<1605]) == pattern(32, from: 2))
        #expect(Array(bytes[1605...]) == pattern(4691, from: 3))
        #expect(Self.request.signedBytes == Array(bytes[4..<1605]))
        expectExactLength(bytes, Self.rewrite)
    }

    @Test func aRekeyReplyHasItsFieldsWhereTheLayoutSays() throws {
        let bytes = StreamMessage.rekeyReply(Self.reply).bytes
        #expect(bytes.count == 4 + 6292)
        #expect(bytes[..<5] == [2, 0x00, 0x18, 0x94, 8])
        #expect(Array(bytes[5..<1573]) == pattern(1568, from: 4))
        #expect(Array(bytes[1573..<1605]) == pattern(32, from: 5))
        #expect(Array(bytes[1605...]) == pattern(4691, from: 6))
        #expect(Self.reply.signedBytes == Array(bytes[4..<1605]))
        expectExactLength(bytes, Self.rewrite)
    }

    @Test func bodiesOfEveryOtherLengthAreRefused() {
        for (type, body) in [(1, Self.request.bytes), (2, Self.reply.bytes), (3, [1]), (5, [])] as [(UInt8, [UInt8])] {
            #expect(refusal(type: type, body) == nil)
            for count in body.indices {
                guard case .truncated = refusal(type: type, Array(body.prefix(count))) else {
                    Issue.record("\(count) bytes of a body of type \(type) are not truncated")
                    continue
                }
            }
            #expect(refusal(type: type, body + [0]) == .trailing(byteCount: 1))
        }
    }

    @Test func closeHasOneOfItsReasons() {
        expectExactLength(hex("03 000001 01"), Self.rewrite)
        expectExactLength(hex("03 000001 02"), Self.rewrite)
        for reason in UInt8.min ... .max where reason != 1 && reason != 2 {
            #expect(refusal(type: 3, [reason]) == .invalidField(.streamMessage))
        }
        #expect(StreamMessage.close(.shutdown).bytes == hex("03 000001 01"))
    }

    @Test func unknownTypesAreReadWhateverTheirBody() throws {
        for type in UInt8.min ... .max where !(1...6).contains(type) {
            let body = pattern(Int(type), from: 1)
            #expect(try StreamMessage(type: type, body: body.span.rawBytes) == .unknown(type: type))
        }
    }

    @Test func theLargestMessageFitsTheLargestBody() {
        #expect(StreamMessage.rekeyRequest(Self.request).bytes.count <= StreamMessage.bodyByteCountMax)
        #expect(StreamMessage.headerByteCount == 4)
    }
}
