import MeshBase
import MeshWire
import Testing

@Suite struct RelayMessageTests {
    private static let rewrite: Rewrite = { (bytes) throws(WireError) in
        try RelayMessage(parsing: bytes.span.rawBytes).bytes
    }

    private static let challenge = RelayMessage.challenge(
        RelayChallenge(
            relayIdentity: pattern(2624, from: 1), keyHash: pattern(32, from: 2),
            notAfterSeconds: 0x0102_0304_0506_0708,
            signature: pattern(4691, from: 3), challenge: pattern(32, from: 4)))

    private static func proof(tokenByteCount: Int) -> RelayMessage {
        .proof(
            RelayProof(
                clientIdentity: pattern(2624, from: 1), instance: pattern(16, from: 2),
                signature: pattern(4691, from: 3),
                token: pattern(tokenByteCount, from: 4)))
    }

    /// One of each case, the lists with two entries.
    private func all() throws -> [RelayMessage] {
        let peers = [try peerID(0x11), try peerID(0x22)]
        let endpoint4 = try endpoint([192, 0, 2, 1], 0x1234)
        let endpoint6 = try endpoint(hex("20010db8000000000000000000000001"), 0x1234)
        return [
            Self.challenge, Self.proof(tokenByteCount: 0), Self.proof(tokenByteCount: 512),
            .welcome(.init(observedEndpoint: endpoint4, stunPort: 3478, payloadByteCountMax: 65_535, peersMax: 256)),
            .welcome(.init(observedEndpoint: endpoint6, stunPort: 0, payloadByteCountMax: 1, peersMax: 1)),
            .refused(.init(reason: .full)), .refused(.init(reason: .timedOut)), .namePeers(peers),
            .forgetPeers(peers), .channelOpened(channel: 0x0102_0304, peer: peers[0]),
            .channelClosed(channel: 0x0102_0304), .draining, .replaced(instance: pattern(16, from: 1)),
        ]
    }

    @Test func everyMessageRoundTripsAndIsRefusedAtEveryOtherLength() throws {
        for message in try all() {
            let bytes = message.bytes
            #expect(try RelayMessage(parsing: bytes.span.rawBytes) == message)
            expectExactLength(bytes, Self.rewrite)
        }
    }

    @Test func challengeHasItsFieldsWhereTheLayoutSays() {
        let bytes = Self.challenge.bytes
        #expect(bytes.count == 2 + 2624 + 32 + 8 + 4691 + 32)
        #expect(bytes[..<2] == [1, 1])
        #expect(Array(bytes[2..<2626]) == pattern(2624, from: 1))
        #expect(Array(bytes[2626..<2658]) == pattern(32, from: 2))
        #expect(bytes[2658..<2666] == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(Array(bytes[2666..<7357]) == pattern(4691, from: 3))
        #expect(Array(bytes[7357...]) == pattern(32, from: 4))
        expectOthersRefused(bytes, at: 1, Self.rewrite) { .unsupportedVersion(version: $0, suite: 1) }
    }

    @Test func proofHasItsFieldsWhereTheLayoutSays() {
        let bytes = Self.proof(tokenByteCount: 3).bytes
        #expect(bytes.count == 1 + 2624 + 16 + 4691 + 2 + 3)
        #expect(bytes[0] == 2)
        #expect(Array(bytes[1..<2625]) == pattern(2624, from: 1))
        #expect(Array(bytes[2625..<2641]) == pattern(16, from: 2))
        #expect(Array(bytes[2641..<7332]) == pattern(4691, from: 3))
        #expect(Array(bytes[7332...]) == [0, 3] + pattern(3, from: 4))
    }

    @Test func aTokenHas512BytesAtMostAndItsCountIsExact() {
        #expect(refusal(Self.proof(tokenByteCount: 513).bytes, Self.rewrite) == .invalidField(.count))
        var bytes = Self.proof(tokenByteCount: 3).bytes
        bytes[7333] = 4
        #expect(refusal(bytes, Self.rewrite) == .truncated(need: 4, have: 3))
        bytes[7333] = 2
        #expect(refusal(bytes, Self.rewrite) == .trailing(byteCount: 1))
    }

    @Test func theShortMessagesHaveTheseBytes() throws {
        let welcome = RelayWelcome(
            observedEndpoint: try endpoint([192, 0, 2, 1], 0x1234), stunPort: 3478, payloadByteCountMax: 65_535,
            peersMax: 256)
        #expect(RelayMessage.welcome(welcome).bytes == hex("03 04 1234 c0000201 0d96 0000ffff 0100"))
        #expect(RelayMessage.refused(.init(reason: .badProof)).bytes == hex("04 03"))
        let id = try peerID(0x11)
        #expect(RelayMessage.namePeers([id]).bytes == hex("05 0001") + id.bytes)
        #expect(RelayMessage.forgetPeers([id]).bytes == hex("06 0001") + id.bytes)
        #expect(RelayMessage.channelOpened(channel: 5, peer: id).bytes == hex("07 00000005") + id.bytes)
        #expect(RelayMessage.channelClosed(channel: 5).bytes == hex("08 00000005"))
        #expect(RelayMessage.draining.bytes == [9])
        #expect(RelayMessage.replaced(instance: pattern(16, from: 1)).bytes == [10] + pattern(16, from: 1))
    }

    @Test func unknownTypesAreRefused() {
        for type in UInt8.min ... .max where !(1...10).contains(type) {
            #expect(refusal([type] + pattern(100, from: 1), Self.rewrite) == .unknownKind(type))
        }
        #expect(refusal([], Self.rewrite) == .truncated(need: 1, have: 0))
    }

    @Test func listsHave1To256Peers() throws {
        let id = try peerID(1).bytes
        for type in [5, 6] as [UInt8] {
            #expect(refusal([type, 0, 0], Self.rewrite) == .invalidField(.count))
            expectRoundTrip([type, 1, 0] + [[UInt8]](repeating: id, count: 256).joined(), Self.rewrite)
            let tooMany = [type, 1, 1] + [[UInt8]](repeating: id, count: 257).joined()
            #expect(refusal(tooMany, Self.rewrite) == .invalidField(.count))
            #expect(refusal([type, 0, 2] + id, Self.rewrite) == .truncated(need: 32, have: 0))
            #expect(refusal([type, 0, 1] + id + id, Self.rewrite) == .trailing(byteCount: 32))
        }
    }

    @Test func refusalsHaveOneOfTheirReasons() {
        for reason in UInt8.min ... .max {
            #expect(refusal([4, reason], Self.rewrite) == ((1...6).contains(reason) ? nil : .invalidField(.parameter)))
        }
    }

    @Test func anObservedAddressIsOfVersion4Or6() {
        let bytes = hex("03 04 1234 c0000201 0d96 0000ffff 0100")
        for family in UInt8.min ... .max where family != 4 && family != 6 {
            var changed = bytes
            changed[1] = family
            #expect(refusal(changed, Self.rewrite) == .invalidField(.address))
        }
        var longer = bytes
        longer[1] = 6
        #expect(refusal(longer, Self.rewrite) == .truncated(need: 16, have: 12))
    }
}
