import MeshBase
import MeshWire
import Testing

@Suite struct CarrierItemTests {
    /// The items of a whole message as (channel, payload).
    private func items(_ message: [UInt8], fromRelay: Bool) throws(WireError) -> [(UInt32, [UInt8])] {
        var found: [(UInt32, [UInt8])] = []
        var offset = 0
        let bytes = message.span.rawBytes
        while let place = try CarrierItem.next(in: bytes, at: offset, fromRelay: fromRelay) {
            found.append((place.channel, bytes.copy(place.payload)))
            offset = place.payload.upperBound
        }
        return found
    }

    private func rewrite(fromRelay: Bool) -> Rewrite {
        { (bytes) throws(WireError) in
            try self.items(bytes, fromRelay: fromRelay).flatMap { channel, payload in
                fromRelay
                    ? CarrierItem.relayItem(channel: channel, payload: payload)
                    : CarrierItem.directItem(payload: payload)
            }
        }
    }

    @Test func anItemToARelayHasCountChannelAndPayload() throws {
        let bytes = CarrierItem.relayItem(channel: 0x0102_0304, payload: [0xAA, 0xBB, 0xCC])
        #expect(bytes == hex("0003 01020304 aabbcc"))
        #expect(CarrierItem.relayHeaderByteCount == 6)
        let found = try items(bytes, fromRelay: true)
        #expect(found.map(\.0) == [0x0102_0304] && found.map(\.1) == [[0xAA, 0xBB, 0xCC]])
    }

    @Test func anItemBetweenNodesHasCountAndPayload() throws {
        let bytes = CarrierItem.directItem(payload: [0xAA, 0xBB, 0xCC])
        #expect(bytes == hex("0003 aabbcc"))
        #expect(CarrierItem.directHeaderByteCount == 2)
        let found = try items(bytes, fromRelay: false)
        #expect(found.map(\.0) == [0] && found.map(\.1) == [[0xAA, 0xBB, 0xCC]])
    }

    @Test func theLargestPayloadFits() {
        let payload = pattern(CarrierItem.payloadByteCountMax, from: 1)
        expectRoundTrip(CarrierItem.relayItem(channel: .max, payload: payload), rewrite(fromRelay: true))
        expectRoundTrip(CarrierItem.directItem(payload: payload), rewrite(fromRelay: false))
    }

    @Test func severalItemsLieBehindOneAnother() throws {
        let message = (1...5).flatMap { CarrierItem.relayItem(channel: $0, payload: pattern(Int($0), from: 9)) }
        let found = try items(message, fromRelay: true)
        #expect(found.map(\.0) == [1, 2, 3, 4, 5])
        #expect(found.map(\.1.count) == [1, 2, 3, 4, 5])
    }

    @Test(arguments: [true, false]) func everyTruncationOfAnItemIsRefused(fromRelay: Bool) throws {
        let first = fromRelay ? CarrierItem.relayItem(channel: 7, payload: [1]) : CarrierItem.directItem(payload: [1])
        let message =
            first
            + (fromRelay
                ? CarrierItem.relayItem(channel: 8, payload: pattern(300, from: 1))
                : CarrierItem.directItem(payload: pattern(300, from: 1)))
        expectRoundTrip(message, rewrite(fromRelay: fromRelay))
        for count in 1..<message.count where count != first.count {
            guard case .truncated = refusal(Array(message.prefix(count)), rewrite(fromRelay: fromRelay)) else {
                Issue.record("\(count) bytes are not truncated")
                continue
            }
        }
        #expect(try items([], fromRelay: fromRelay).isEmpty)
    }

    @Test func aCountOfZeroAndOneTooGreatIsRefused() {
        #expect(refusal(hex("0000 00000001"), rewrite(fromRelay: true)) == .invalidField(.count))
        #expect(refusal(hex("0000"), rewrite(fromRelay: false)) == .invalidField(.count))
        #expect(refusal(hex("0004 00000001 aabbcc"), rewrite(fromRelay: true)) == .truncated(need: 4, have: 3))
        #expect(refusal(hex("0004 aabbcc"), rewrite(fromRelay: false)) == .truncated(need: 4, have: 3))
        // A count that is one too small leaves a byte, which is no header.
        #expect(refusal(hex("0002 aabbcc"), rewrite(fromRelay: false)) == .truncated(need: 2, have: 1))
    }
}
