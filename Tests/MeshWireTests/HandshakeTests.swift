import MeshBase
import MeshWire
import Testing

@Suite struct HandshakeTests {
    private static let rewriteHello: Rewrite = { (bytes) throws(WireError) in
        try Hello(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteChallenge: Rewrite = { (bytes) throws(WireError) in
        try Challenge(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteResponse: Rewrite = { (bytes) throws(WireError) in
        try Response(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteContent: Rewrite = { (bytes) throws(WireError) in
        try ResponseContent(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteEstablished: Rewrite = { (bytes) throws(WireError) in
        try Established(parsing: bytes.span.rawBytes).bytes
    }
    /// Parameter count, signature, tag: the least that RESPONSE seals.
    private static let sealedByteCountMin = 2 + SuiteSizes.hybridSignatureByteCount + SuiteSizes.tagByteCount

    private func hello() throws -> Hello {
        Hello(
            initiatorIdentity: pattern(2624, from: 1), responder: try peerID(0x22), nonce: pattern(32, from: 3),
            timestampMilliseconds: 0x0102_0304_0506_0708, share: pattern(32, from: 4),
            signature: pattern(4691, from: 5))
    }

    private func challenge() -> Challenge {
        Challenge(
            helloNonce: pattern(32, from: 1), sessionIdentifier: pattern(16, from: 2),
            responderIdentity: pattern(2624, from: 3), nonce: pattern(32, from: 4),
            encapsulationKey: pattern(1568, from: 5), share: pattern(32, from: 6), signature: pattern(4691, from: 7))
    }

    private func response(sealedByteCount: Int = sealedByteCountMin) -> Response {
        Response(
            sessionIdentifier: pattern(16, from: 1), ciphertext: pattern(1568, from: 2),
            sealed: pattern(sealedByteCount, from: 3))
    }

    @Test func helloHasItsFieldsWhereTheLayoutSays() throws {
        let bytes = try hello().bytes
        #expect(bytes.count == 7423 && Hello.byteCount == 7423 && Hello.signedByteCount == 2732)
        #expect(bytes[..<4] == [0x50, 1, 1, 0])
        #expect(Array(bytes[4..<2628]) == pattern(2624, from: 1))
        #expect(Array(bytes[2628..<2660]) == [UInt8](repeating: 0x22, count: 32))
        #expect(Array(bytes[2660..<2692]) == pattern(32, from: 3))
        #expect(bytes[2692..<2700] == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(Array(bytes[2700..<2732]) == pattern(32, from: 4))
        #expect(Array(bytes[2732...]) == pattern(4691, from: 5))
        #expect(try hello().signedBytes == Array(bytes[..<2732]))
        #expect(try Hello(parsing: bytes.span.rawBytes) == hello())
    }

    @Test func challengeHasItsFieldsWhereTheLayoutSays() throws {
        let bytes = challenge().bytes
        #expect(bytes.count == 8999 && Challenge.byteCount == 8999 && Challenge.signedByteCount == 4308)
        #expect(bytes[..<4] == [0x51, 1, 1, 0])
        #expect(Array(bytes[4..<36]) == pattern(32, from: 1))
        #expect(Array(bytes[36..<52]) == pattern(16, from: 2))
        #expect(Array(bytes[52..<2676]) == pattern(2624, from: 3))
        #expect(Array(bytes[2676..<2708]) == pattern(32, from: 4))
        #expect(Array(bytes[2708..<4276]) == pattern(1568, from: 5))
        #expect(Array(bytes[4276..<4308]) == pattern(32, from: 6))
        #expect(Array(bytes[4308...]) == pattern(4691, from: 7))
        #expect(challenge().signedBytes == Array(bytes[..<4308]))
        #expect(try Challenge(parsing: bytes.span.rawBytes) == challenge())
    }

    @Test func responseHasItsFieldsWhereTheLayoutSays() throws {
        let bytes = response().bytes
        #expect(bytes.count == 1588 + 4709 && Response.clearByteCount == 1588)
        #expect(bytes[..<4] == [0x52, 1, 1, 0])
        #expect(Array(bytes[4..<20]) == pattern(16, from: 1))
        #expect(Array(bytes[20..<1588]) == pattern(1568, from: 2))
        #expect(Array(bytes[1588...]) == pattern(4709, from: 3))
        #expect(try Response(parsing: bytes.span.rawBytes) == response())
    }

    @Test func establishedHasItsFieldsWhereTheLayoutSays() throws {
        let message = Established(sessionIdentifier: pattern(16, from: 1), sealed: pattern(16, from: 2))
        #expect(message.bytes == [0x53, 1, 1, 0] + pattern(16, from: 1) + pattern(16, from: 2))
        #expect(try Established(parsing: message.bytes.span.rawBytes) == message)
    }

    @Test func helloAndChallengeAreRefusedAtEveryOtherLength() throws {
        expectExactLength(try hello().bytes, Self.rewriteHello)
        expectExactLength(challenge().bytes, Self.rewriteChallenge)
    }

    @Test func responseIsRefusedBelowItsLeastAndAboveItsGreatestLength() {
        for count in [0, 1, 8191, 8192] {
            expectRoundTrip(response(sealedByteCount: Self.sealedByteCountMin + count).bytes, Self.rewriteResponse)
        }
        let least = response().bytes
        for count in least.indices {
            let found = refusal(Array(least.prefix(count)), Self.rewriteResponse)
            guard case .truncated = found else {
                Issue.record("\(count) bytes: \(String(describing: found))")
                continue
            }
        }
        for more in [1, 2, 100] {
            let tooLong = response(sealedByteCount: Self.sealedByteCountMin + 8192 + more).bytes
            #expect(refusal(tooLong, Self.rewriteResponse) == .trailing(byteCount: more))
        }
    }

    @Test func establishedIsRefusedBelowItsLeastAndAboveItsGreatestLength() {
        func bytes(_ count: Int) -> [UInt8] {
            Established(sessionIdentifier: pattern(16, from: 1), sealed: pattern(count, from: 2)).bytes
        }
        for count in [16, 17, 8192 + 16] { expectRoundTrip(bytes(count), Self.rewriteEstablished) }
        for count in 0..<36 {
            guard case .truncated = refusal(Array(bytes(16).prefix(count)), Self.rewriteEstablished) else {
                Issue.record("\(count) bytes are not truncated")
                continue
            }
        }
        #expect(refusal(bytes(8192 + 17), Self.rewriteEstablished) == .trailing(byteCount: 1))
    }

    @Test func aForeignKindVersionOrSuiteAndASetReservedByteAreToldApart() throws {
        let messages: [([UInt8], Rewrite)] = [
            (try hello().bytes, Self.rewriteHello), (challenge().bytes, Self.rewriteChallenge),
            (response().bytes, Self.rewriteResponse),
            (
                Established(sessionIdentifier: pattern(16, from: 1), sealed: pattern(50, from: 2)).bytes,
                Self.rewriteEstablished
            ),
        ]
        for (bytes, rewrite) in messages {
            expectOthersRefused(bytes, at: 0, rewrite) { .unknownKind($0) }
            expectOthersRefused(bytes, at: 1, rewrite) { .unsupportedVersion(version: $0, suite: 1) }
            expectOthersRefused(bytes, at: 2, rewrite) { .unsupportedVersion(version: 1, suite: $0) }
            expectOthersRefused(bytes, at: 3, rewrite) { _ in .invalidField(.reserved) }
        }
    }

    @Test func theSealedPartOfResponseCountsItsParameters() throws {
        for count in [0, 1, 300, 8192] {
            let content = ResponseContent(parameters: pattern(count, from: 1), signature: pattern(4691, from: 2))
            let bytes = content.bytes
            #expect(bytes == [UInt8(count >> 8), UInt8(count & 0xFF)] + content.parameters + content.signature)
            #expect(try ResponseContent(parsing: bytes.span.rawBytes) == content)
        }
        expectExactLength(
            ResponseContent(parameters: pattern(40, from: 1), signature: pattern(4691, from: 2)).bytes,
            Self.rewriteContent)
    }

    @Test func aParameterCountThatIsOneOffIsRefused() {
        var bytes = ResponseContent(parameters: pattern(40, from: 1), signature: pattern(4691, from: 2)).bytes
        bytes[1] = 41
        #expect(refusal(bytes, Self.rewriteContent) == .truncated(need: 4691, have: 4690))
        bytes[1] = 39
        #expect(refusal(bytes, Self.rewriteContent) == .trailing(byteCount: 1))
        bytes.replaceSubrange(0..<2, with: [0xFF, 0xFF])
        #expect(refusal(bytes, Self.rewriteContent) == .truncated(need: 65_535, have: 40 + 4691))
    }
}
