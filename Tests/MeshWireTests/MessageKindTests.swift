import MeshWire
import Testing

@Suite struct MessageKindTests {
    @Test func noMessageIsMistakenForSTUN() {
        // RFC 8489 section 5: the first two bits of STUN are zero.
        for kind in MessageKind.allCases { #expect(kind.rawValue >= 0x40, "\(kind)") }
    }

    @Test func kindsKeepTheirNumbers() {
        let numbers: [MessageKind: UInt8] = [
            .record: 0x40, .reset: 0x41, .noSession: 0x42, .hello: 0x50, .challenge: 0x51, .response: 0x52,
            .established: 0x53,
        ]
        #expect(numbers.count == MessageKind.allCases.count)
        for (kind, number) in numbers { #expect(kind.rawValue == number) }
    }

    @Test func onlyRecordsAreNotSignalling() {
        for kind in MessageKind.allCases { #expect(kind.isSignalling == (kind != .record)) }
    }

    @Test func theSuiteHasTheSizesOfItsStandards() {
        #expect(ProtocolVersion.current == 1 && ProtocolVersion.suite == 1)
        #expect(SuiteSizes.publicIdentityByteCount == 2624)
        #expect(SuiteSizes.hybridSignatureByteCount == 4691)
        #expect(SuiteSizes.encapsulationKeyByteCount == 1568)
        #expect(SuiteSizes.encapsulationCiphertextByteCount == 1568)
    }
}
