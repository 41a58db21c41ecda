import MeshBase
import MeshCrypto
import Testing

@Suite struct AEADKeyTests {
    private static let headerByteCount = 16

    private func key(_ byte: UInt8 = 1) throws -> AEADKey { try AEADKey(Secret([UInt8](repeating: byte, count: 32))) }

    private func sealed(_ content: [UInt8], by key: AEADKey, low: UInt64 = 5, high: UInt32 = 0) -> [UInt8] {
        var message = [UInt8](0..<16) + content + [UInt8](repeating: 0, count: 16)
        var mutable = message.mutableSpan
        var span = mutable.mutableRawBytes
        key.seal(
            &span, headerByteCount: Self.headerByteCount, contentByteCount: content.count, nonceHigh: high,
            nonceLow: low)
        return message
    }

    private func opened(_ message: [UInt8], by key: AEADKey, low: UInt64 = 5, high: UInt32 = 0) -> [UInt8]? {
        var message = message
        var mutable = message.mutableSpan
        var span = mutable.mutableRawBytes
        let count = key.open(&span, headerByteCount: Self.headerByteCount, nonceHigh: high, nonceLow: low)
        return count.map { Array(message[Self.headerByteCount..<Self.headerByteCount + $0]) }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 63, 64, 65, 1_400, 65_000]) func whatWasSealedInPlaceIsOpened(count: Int) throws
    {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 11) }
        let message = sealed(content, by: try key())
        #expect(message.count == 16 + count + AEADKey.tagByteCount)
        #expect(message.prefix(16) == [UInt8](0..<16)[...], "the header is not encrypted")
        if count > 15 { #expect(Array(message[16..<16 + count]) != content) }
        #expect(opened(message, by: try key()) == content)
    }

    @Test func everyFlippedBitIsRefused() throws {
        let key = try key()
        let message = sealed([UInt8](100..<140), by: key)
        for index in message.indices {
            for bit in 0..<8 {
                var changed = message
                changed[index] ^= 1 << UInt8(bit)
                #expect(opened(changed, by: key) == nil, "bit \(bit) of byte \(index)")
            }
        }
    }

    @Test func everyTruncationAndEveryLongerMessageIsRefused() throws {
        let key = try key()
        let message = sealed([UInt8](100..<140), by: key)
        for count in message.indices { #expect(opened(Array(message.prefix(count)), by: key) == nil) }
        #expect(opened(message + [0], by: key) == nil)
    }

    @Test func anotherKeyOrNonceIsRefused() throws {
        let message = sealed([1, 2, 3], by: try key(), low: 5, high: 9)
        #expect(opened(message, by: try key(), low: 5, high: 9) == [1, 2, 3])
        #expect(opened(message, by: try key(2), low: 5, high: 9) == nil)
        #expect(opened(message, by: try key(), low: 6, high: 9) == nil)
        #expect(opened(message, by: try key(), low: 5, high: 8) == nil)
        #expect(opened(message, by: try key(), low: 5 << 32, high: 9) == nil)
    }

    @Test func aKeyHas32Bytes() {
        for count in [0, 16, 31, 33, 64] {
            #expect(throws: CryptoError.malformedKey) { try AEADKey(Secret([UInt8](repeating: 0, count: count))) }
        }
    }

    @Test func whatWasSealedOnceIsOpenedWithTheSameAssociatedBytesOnly() throws {
        let sealed = try key().sealOnce([1, 2, 3], associated: [4, 5])
        #expect(sealed.count == 3 + AEADKey.tagByteCount)
        #expect(try key().openOnce(sealed, associated: [4, 5]) == [1, 2, 3])
        for associated in [[], [4], [4, 6], [4, 5, 0]] as [[UInt8]] {
            #expect(throws: CryptoError.badTag) { try key().openOnce(sealed, associated: associated) }
        }
        #expect(throws: CryptoError.badTag) { try key().openOnce([], associated: [4, 5]) }
        #expect(throws: CryptoError.badTag) { try key().openOnce([], associated: []) }
        #expect(try key().openOnce(key().sealOnce([], associated: []), associated: []) == [])
    }
}
