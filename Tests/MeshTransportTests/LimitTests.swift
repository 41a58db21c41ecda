import MeshBase
import MeshTransport
import Testing

@Suite struct HalfOpenTableTests {
    @Test func aSourceBeyondItsShareIsRefusedUntilOneLeaves() throws {
        var table = HalfOpenTable(countMax: 10, countPerSourceMax: 2)
        let source = try #require(IPAddress(bytes: [192, 0, 2, 1]))
        #expect(table.admit(1, from: source) == .admitted)
        #expect(table.admit(2, from: source) == .admitted)
        #expect(table.admit(3, from: source) == .refused)
        table.remove(1)
        table.remove(1)
        #expect(table.admit(4, from: source) == .admitted)
        #expect(table.count == 2)
    }

    @Test func aFullTableEvictsItsOldest() throws {
        var table = HalfOpenTable(countMax: 2, countPerSourceMax: 2)
        for id in 1...5 as ClosedRange<UInt64> {
            let source = try #require(IPAddress(bytes: [192, 0, 2, UInt8(id)]))
            #expect(table.admit(id, from: source) == (id <= 2 ? .admitted : .admittedEvicting(id - 2)))
        }
        #expect(table.count == 2)
    }

    @Test func aVersion6PrefixIsOneSource() throws {
        var table = HalfOpenTable(countMax: 10, countPerSourceMax: 1)
        let prefix: [UInt8] = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0]
        let first = try #require(IPAddress(bytes: prefix + [UInt8](repeating: 1, count: 8)))
        let second = try #require(IPAddress(bytes: prefix + [UInt8](repeating: 2, count: 8)))
        #expect(table.admit(1, from: first) == .admitted)
        #expect(table.admit(2, from: second) == .refused)
    }
}

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
