import MeshBase
import MeshEthernet
import Testing

@Suite struct EthernetFrameViewTests {
    @Test func untaggedHeaderIsReadInNetworkOrder() throws {
        let bytes = Frames.ethernet(to: 0x0102_0304_0506, from: 0x0A0B_0C0D_0E0F, type: 0x86DD, payload: [7, 8, 9])
        let view = try EthernetFrameView(parsing: bytes.span.rawBytes)
        #expect(view.destination.description == "01:02:03:04:05:06")
        #expect(view.source.description == "0a:0b:0c:0d:0e:0f")
        #expect(view.etherType == 0x86DD)
        #expect(view.outerVLAN == nil)
        #expect(view.innerVLAN == nil)
        #expect(view.payloadOffset == 14)
        #expect(view.payload.byteCount == 3)
        #expect(view.payload.bigEndian(at: 0, as: UInt8.self) == 7)
    }

    @Test func theClassOfServiceIsThatOfTheIPPacket() {
        func found(type: UInt16, tags: [(UInt16, UInt16)] = [], _ payload: [UInt8]) -> UInt8 {
            EthernetFrameView.serviceClass(
                of: Frames.ethernet(to: 2, from: 4, type: type, tags: tags, payload: payload).span.rawBytes)
        }
        #expect(found(type: 0x0800, [0x45, 0xB9, 0, 20]) == 0xB8, "without ECN")
        #expect(found(type: 0x0800, tags: [(0x8100, 7)], [0x45, 0x28]) == 0x28)
        #expect(found(type: 0x86DD, [0x6B, 0x9F, 0xFF, 0xFF]) == 0xB8)
        #expect(found(type: 0x0806, [0x45, 0xB8]) == 0)
        #expect(found(type: 0x0800, [0x45]) == 0)
    }

    @Test(arguments: [UInt16(0x8100), 0x88A8, 0x9100])
    func oneTagIsLookedThrough(tagType: UInt16) throws {
        let bytes = Frames.ethernet(to: 2, from: 4, type: 0x0806, tags: [(tagType, 0xE064)])
        let view = try EthernetFrameView(parsing: bytes.span.rawBytes)
        #expect(view.etherType == 0x0806)
        #expect(view.outerVLAN == 100)
        #expect(view.innerVLAN == nil)
        #expect(view.payloadOffset == 18)
    }

    @Test func twoTagsAreLookedThroughAndAThirdIsPayload() throws {
        let double = Frames.ethernet(to: 2, from: 4, type: 0x0800, tags: [(0x88A8, 7), (0x8100, 0x2FFF)])
        let view = try EthernetFrameView(parsing: double.span.rawBytes)
        #expect(view.etherType == 0x0800)
        #expect(view.outerVLAN == 7)
        #expect(view.innerVLAN == 0xFFF)
        #expect(view.payloadOffset == 22)
        let triple = Frames.ethernet(to: 2, from: 4, tags: [(0x88A8, 7), (0x8100, 8), (0x8100, 9)])
        let third = try EthernetFrameView(parsing: triple.span.rawBytes)
        #expect(third.etherType == 0x8100)
        #expect(third.payloadOffset == 22)
    }

    @Test(arguments: 0..<14) func everyRuntIsRefused(byteCount: Int) {
        let bytes = [UInt8](repeating: 0, count: byteCount)
        #expect(throws: EthernetFrameError.runt(byteCount: byteCount)) {
            _ = try EthernetFrameView(parsing: bytes.span.rawBytes)
        }
    }

    @Test(arguments: [14, 15, 16, 17, 18, 19, 20, 21])
    func aFrameThatEndsInsideItsTagsIsRefused(byteCount: Int) {
        let whole = Frames.ethernet(to: 2, from: 4, tags: [(0x88A8, 7), (0x8100, 8)])
        let bytes = Array(whole.prefix(byteCount))
        #expect(throws: EthernetFrameError.truncatedTag(byteCount: byteCount)) {
            _ = try EthernetFrameView(parsing: bytes.span.rawBytes)
        }
    }

    @Test func aHeaderWithoutPayloadIsAFrame() throws {
        let bytes = Frames.ethernet(to: 2, from: 4, payload: [])
        #expect(try EthernetFrameView(parsing: bytes.span.rawBytes).payload.byteCount == 0)
    }

    @Test func jumboPassesUpTo65535Bytes() throws {
        let longest = Frames.ethernet(to: 2, from: 4, payload: [UInt8](repeating: 1, count: 65_521))
        #expect(try EthernetFrameView(parsing: longest.span.rawBytes).payload.byteCount == 65_521)
        let longer = longest + [0]
        #expect(throws: EthernetFrameError.oversized(byteCount: 65_536)) {
            _ = try EthernetFrameView(parsing: longer.span.rawBytes)
        }
    }
}
