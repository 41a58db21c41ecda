import MeshBase
import MeshCrypto
import MeshProtocol
import Testing

@Suite struct EpochKeysTests {
    private static func secrets(_ byte: UInt8) -> EpochSecrets {
        EpochSecrets(
            initiator: Secret([UInt8](repeating: byte, count: 32)),
            responder: Secret([UInt8](repeating: byte ^ 0xFF, count: 32)),
            chain: Secret([UInt8](repeating: byte, count: 64)))
    }

    @Test func eachOldEpochIsKeptForTenSecondsHoweverOftenKeysRotate() throws {
        var now = Instant(nanoseconds: 0)
        var keys = try EpochKeys(Self.secrets(0), role: .initiator)
        for epoch in 1...30 as ClosedRange<UInt8> {
            now = now.advanced(milliseconds: 1_000)
            keys.expire(at: now)
            try keys.advance(to: Self.secrets(epoch), at: now)
            // Epoch e ended in second e + 1.
            for old in 0...epoch {
                let isKept = old == epoch || Int(epoch) - Int(old) <= 10
                #expect((keys.receivingKey(for: old) != nil) == isKept, "epoch \(old) in second \(epoch)")
            }
        }
    }
}
