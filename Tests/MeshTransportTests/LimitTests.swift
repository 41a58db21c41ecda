import MeshBase
import MeshTestSupport
import MeshTransport
import Testing

@Suite struct SourceRateLimiterTests {
    private func source(_ number: Int) throws -> IPAddress {
        try #require(IPAddress(bytes: [10, 0, UInt8(number >> 8), UInt8(number & 0xFF)]))
    }

    @Test func aBurstPassesAndThenTheRate() throws {
        var limiter = SourceRateLimiter(perSecond: 10, burst: 3)
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

    @Test func manyWhoAskAtOnceAllGetTheirShare() throws {
        var limiter = SourceRateLimiter(perSecond: 20, burst: 40)
        let now = Instant(nanoseconds: 5_000_000_000)
        // 1,000 of 8,192 cells a row, up to four to one: each still has room for ten requests.
        let admitted = try (0..<1_000).reduce(0) { count, number in
            let source = try source(number)
            return count + (0..<8).map { _ in limiter.admit(source, at: now) }.count { $0 }
        }
        #expect(admitted > 7_990)
    }

    @Test func inventedSourcesDoNotKeepOthersFromBeingAnswered() throws {
        var limiter = SourceRateLimiter(perSecond: 20, burst: 40)
        var random = SeededGenerator(seed: testSeed())
        let honest = try (0..<500).map { try source($0) }
        var (asked, answered) = (0, 0)
        // 100,000 datagrams a second from anywhere for 10 s; every honest node asks once in that time.
        for step in UInt64(0)..<1_000_000 {
            let now = Instant(nanoseconds: 5_000_000_000 + step * 10_000)
            let invented = try #require(
                IPAddress(bytes: [UInt8.random(in: 11...223, using: &random)] + random.bytes(3)))
            _ = limiter.admit(invented, at: now)
            guard step % 2_000 == 1_999 else { continue }
            asked += 1
            if limiter.admit(honest[Int(step / 2_000) % honest.count], at: now) { answered += 1 }
        }
        #expect(asked == 500)
        #expect(answered >= 495, "\(answered) of \(asked)")
    }

    @Test func aFloodOfOneSourceTakesNoMoreThanItsShareAndDisturbsFew() throws {
        var limiter = SourceRateLimiter(perSecond: 10, burst: 20)
        let one = try source(0)
        var passed = 0
        var refused = Set<Int>()
        for step in UInt64(0)..<100_000 {
            let now = Instant(nanoseconds: 5_000_000_000 + step * 100_000)
            if limiter.admit(one, at: now) { passed += 1 }
            let other = 1 + Int(step) % 1_000
            if step % 100 == 0, !limiter.admit(try source(other), at: now) { refused.insert(other) }
        }
        // 10 s: the burst and ten a second.
        #expect((119...121).contains(passed))
        #expect(refused.count <= 2)
    }

    @Test func aNetworkOfVersion6IsOneSource() throws {
        var limiter = SourceRateLimiter(perSecond: 1, burst: 4)
        let now = Instant(nanoseconds: 5_000_000_000)
        let passed = try (UInt8(0)..<100).count { (last: UInt8) in
            let bytes: [UInt8] = [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, last]
            return limiter.admit(try #require(IPAddress(bytes: bytes)), at: now)
        }
        #expect(passed == 4)
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
