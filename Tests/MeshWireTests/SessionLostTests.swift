import MeshBase
import MeshWire
import Testing

@Suite struct SessionLostTests {
    private static let rewriteReset: Rewrite = { (bytes) throws(WireError) in
        try SessionReset(parsing: bytes.span.rawBytes).bytes
    }
    private static let rewriteNoSession: Rewrite = { (bytes) throws(WireError) in
        try NoSession(parsing: bytes.span.rawBytes).bytes
    }

    @Test func resetHas24BytesLessThanTheSmallestRecord() {
        let bytes = SessionReset(sessionIndex: 0x0102_0304, token: pattern(16, from: 1)).bytes
        #expect(bytes == hex("41 000000 01020304") + pattern(16, from: 1))
        #expect(bytes.count == SessionReset.byteCount && SessionReset.byteCount == 24)
        #expect(SessionReset.byteCount < RecordHeader.recordByteCountMin)
        expectExactLength(bytes, Self.rewriteReset)
    }

    @Test func noSessionHas8Bytes() {
        let bytes = NoSession(sessionIndex: 0x0102_0304).bytes
        #expect(bytes == hex("42 000000 01020304"))
        #expect(bytes.count == NoSession.byteCount && NoSession.byteCount == 8)
        expectExactLength(bytes, Self.rewriteNoSession)
    }

    @Test func foreignKindsAndSetReservedBytesAreRefused() {
        let reset = SessionReset(sessionIndex: 1, token: pattern(16, from: 1)).bytes
        let noSession = NoSession(sessionIndex: 1).bytes
        expectOthersRefused(reset, at: 0, Self.rewriteReset) { .unknownKind($0) }
        expectOthersRefused(noSession, at: 0, Self.rewriteNoSession) { .unknownKind($0) }
        for offset in 1...3 {
            expectOthersRefused(reset, at: offset, Self.rewriteReset) { _ in .invalidField(.reserved) }
            expectOthersRefused(noSession, at: offset, Self.rewriteNoSession) { _ in .invalidField(.reserved) }
        }
    }
}
