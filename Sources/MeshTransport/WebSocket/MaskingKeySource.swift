import Crypto

/// Fresh masking keys (RFC 6455 section 5.3: unpredictable, a new one for every frame).
///
/// Keys are drawn from the cryptographic generator in batches, since one draw costs more than a small frame.
struct MaskingKeySource {
    /// 64 keys are 256 bytes: one draw in 64 frames is no longer measurable, and little is held back.
    private static let batchCount = 64
    private var keys: [UInt32] = []

    /// The next key.
    mutating func next() -> UInt32 {
        if let key = keys.popLast() { return key }
        let random = SymmetricKey(size: SymmetricKeySize(bitCount: Self.batchCount * 32))
        // SAFETY: the pointer is only read, within its bounds, and does not leave the closure.
        unsafe random.withUnsafeBytes { bytes in
            for index in 0..<Self.batchCount {
                unsafe keys.append(bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
            }
        }
        return keys.removeLast()
    }
}
