import MeshBase
import MeshTransport
import Testing

@Suite struct SourceRateLimiterTests {
    private func source(_ number: Int) throws -> IPAddress {
        try #require(IPAddress(bytes: [10, 0, UInt8(number >> 8), UInt8(number & 0xFF)]))
    }

    @Test func aBurstPassesAndThenTheRate() throws {
        var limiter = SourceRateLimiter(perSecond: 10, burst: 3, sourcesMax: 8)
        var now = Instant(nanoseconds: 5_000_000_000)
        let one = try source(1)
        #expect((0..<5).map { _ in limiter.admit(one, at: now) } == [true, true, true, false, false])
        #expect([limiter.admit(try source(2), at: now)] == [true])
        now = now.advanced(milliseconds: 99)
        #expect([limiter.admit(one, at: now)] == [false])
        now = now.advanced(milliseconds: 1)
        #expect([limiter.admit(one, at: now)] == [true])
        now = now.advanced(milliseconds: 1_000_000_000)
        #expect((0..<5).map { _ in limiter.admit(one, at: now) } == [true, true, true, false, false])
    }

    @Test func theTableStaysBoundedAndItsOverflowIsLimited() throws {
        var limiter = SourceRateLimiter(perSecond: 1, burst: 2, sourcesMax: 4)
        var now = Instant(nanoseconds: 5_000_000_000)
        let admitted = try (0..<100).count { limiter.admit(try source($0), at: now) }
        #expect(admitted == 4 + 2)
        #expect(limiter.sourceCount == 4)
        now = now.advanced(milliseconds: 2_000)
        #expect([limiter.admit(try source(200), at: now)] == [true])
        #expect(limiter.sourceCount == 1)
    }
}

@Suite struct TLSMaterialTests {
    @Test func materialSurvivesBeingStored() throws {
        let stored = try TLSMaterial(certificatePEM: testTLS.certificatePEM, keyPEM: testTLS.keyPEM)
        #expect(stored.spkiHash == testTLS.spkiHash)
        #expect(stored.notValidAfterUnixSeconds == testTLS.notValidAfterUnixSeconds)
        #expect(!"\(stored)".contains("PRIVATE"))
    }

    @Test func unusableMaterialIsRefusedByKind() throws {
        let other = try TLSMaterial.selfSigned(commonName: "other.test", validDays: 1)
        #expect(throws: TLSMaterialError.keyDoesNotMatch) {
            try TLSMaterial(certificatePEM: testTLS.certificatePEM, keyPEM: other.keyPEM)
        }
        #expect(throws: TLSMaterialError.certificateUnreadable) {
            try TLSMaterial(certificatePEM: "garbage", keyPEM: other.keyPEM)
        }
        #expect(throws: TLSMaterialError.certificateUnreadable) {
            try TLSMaterial(certificatePEM: "", keyPEM: other.keyPEM)
        }
        #expect(throws: TLSMaterialError.keyUnreadable) {
            try TLSMaterial(certificatePEM: testTLS.certificatePEM, keyPEM: "garbage")
        }
        #expect(throws: TLSMaterialError.keyUnreadable) {
            try TLSMaterial(certificatePEM: testTLS.certificatePEM, keyPEM: testTLS.certificatePEM)
        }
    }
}
