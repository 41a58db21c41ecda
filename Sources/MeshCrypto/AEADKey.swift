internal import CMeshAEAD
internal import MeshBase
internal import Synchronization

/// A ChaCha20-Poly1305 key (RFC 8439) with its key schedule. Seals and opens in place, without allocating.
///
/// BoringSSL's context is immutable once made, so any number of threads may use it at the same time.
@safe
public final class AEADKey: Sendable {
    /// Byte count of a key.
    public static let keyByteCount = 32
    /// Byte count of the tag that sealing adds.
    public static let tagByteCount = 16
    /// Byte count of a nonce.
    public static let nonceByteCount = 12

    private static let count = Atomic<UInt64>(0)

    /// No other key of this process has the same, also not after this one is gone.
    public let number = count.wrappingAdd(1, ordering: .relaxed).newValue
    // SAFETY: set once in `init`, freed in `deinit`; the functions that take it do not write to it.
    nonisolated(unsafe) private let context: OpaquePointer

    /// Makes the key schedule. Throws `CryptoError.malformedKey` unless `key` has 32 bytes.
    public init(_ key: Secret) throws(CryptoError) {
        guard key.byteCount == Self.keyByteCount else { throw .malformedKey }
        let made = unsafe key.withBytes { bytes in
            // SAFETY: `bytes` has 32 bytes (guard above), which the call copies.
            unsafe CCryptoBoringSSL_EVP_AEAD_CTX_new(
                CCryptoBoringSSL_EVP_aead_chacha20_poly1305(), bytes.assumingMemoryBound(to: UInt8.self).baseAddress!,
                Self.keyByteCount, Self.tagByteCount)
        }
        guard let made = unsafe made else { throw .malformedKey }
        unsafe context = made
    }

    deinit { unsafe CCryptoBoringSSL_EVP_AEAD_CTX_free(context) }

    /// Seals the `contentByteCount` bytes that follow the first `headerByteCount` bytes of `message`, in place.
    ///
    /// The header is authenticated; the tag is written behind the content, so `message` must have 16 more bytes.
    /// Traps when it has not: that is the caller's arithmetic, never a peer's input.
    public func seal(
        _ message: inout MutableRawSpan, headerByteCount: Int, contentByteCount: Int, nonceHigh: UInt32,
        nonceLow: UInt64
    ) {
        precondition(headerByteCount >= 0 && contentByteCount >= 0)
        precondition(message.byteCount >= headerByteCount + contentByteCount + Self.tagByteCount)
        var nonce = (nonceHigh.bigEndian, nonceLow.bigEndian.low, nonceLow.bigEndian.high)
        var sealedByteCount = 0
        // SAFETY: header, content and tag lie inside `message` (preconditions above); the nonce has 12 bytes; in and
        // out are the same address, which EVP_AEAD_CTX_seal allows.
        let result = unsafe message.withUnsafeMutableBytes { bytes in
            let base = unsafe bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe withUnsafeBytes(of: &nonce) { nonce in
                unsafe CCryptoBoringSSL_EVP_AEAD_CTX_seal(
                    context, base + headerByteCount, &sealedByteCount, contentByteCount + Self.tagByteCount,
                    nonce.assumingMemoryBound(to: UInt8.self).baseAddress!, Self.nonceByteCount,
                    base + headerByteCount, contentByteCount, base, headerByteCount)
            }
        }
        precondition(result == 1 && sealedByteCount == contentByteCount + Self.tagByteCount)
    }

    /// Opens what follows the first `headerByteCount` bytes of `message`, in place.
    ///
    /// - Returns: the content's byte count, or `nil` when the tag does not match; then the content is void.
    public func open(
        _ message: inout MutableRawSpan, headerByteCount: Int, nonceHigh: UInt32, nonceLow: UInt64
    ) -> Int? {
        let sealedByteCount = message.byteCount - headerByteCount
        guard headerByteCount >= 0, sealedByteCount >= Self.tagByteCount else { return nil }
        var nonce = (nonceHigh.bigEndian, nonceLow.bigEndian.low, nonceLow.bigEndian.high)
        var contentByteCount = 0
        // SAFETY: header and sealed bytes lie inside `message` (guard above); the nonce has 12 bytes; in and out are
        // the same address, which EVP_AEAD_CTX_open allows.
        let result = unsafe message.withUnsafeMutableBytes { bytes in
            let base = unsafe bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe withUnsafeBytes(of: &nonce) { nonce in
                unsafe CCryptoBoringSSL_EVP_AEAD_CTX_open(
                    context, base + headerByteCount, &contentByteCount, sealedByteCount,
                    nonce.assumingMemoryBound(to: UInt8.self).baseAddress!, Self.nonceByteCount,
                    base + headerByteCount, sealedByteCount, base, headerByteCount)
            }
        }
        return result == 1 ? contentByteCount : nil
    }

    /// Seals `content` with an all-zero nonce, for a key that is used once. Returns ciphertext and tag.
    public func sealOnce(_ content: [UInt8], associated: [UInt8]) -> [UInt8] {
        var message = associated + content + [UInt8](repeating: 0, count: Self.tagByteCount)
        var bytes = message.mutableSpan
        var span = bytes.mutableRawBytes
        seal(
            &span, headerByteCount: associated.count, contentByteCount: content.count, nonceHigh: 0, nonceLow: 0)
        return Array(message.dropFirst(associated.count))
    }

    /// Opens what `sealOnce` made. Throws `CryptoError.badTag`.
    public func openOnce(_ sealed: [UInt8], associated: [UInt8]) throws(CryptoError) -> [UInt8] {
        var message = associated + sealed
        var bytes = message.mutableSpan
        var span = bytes.mutableRawBytes
        guard let count = open(&span, headerByteCount: associated.count, nonceHigh: 0, nonceLow: 0) else {
            throw .badTag
        }
        return Array(message[associated.count..<associated.count + count])
    }
}

extension UInt64 {
    /// The four bytes that lie first in memory on a little-endian host.
    @inline(__always) fileprivate var low: UInt32 { UInt32(truncatingIfNeeded: self) }
    /// The four bytes that lie second.
    @inline(__always) fileprivate var high: UInt32 { UInt32(truncatingIfNeeded: self >> 32) }
}
