internal import Crypto

/// Hash functions of the suite.
public enum Digest {
    /// SHA-512 of the parts in order, 64 bytes (FIPS 180-4).
    public static func sha512(_ parts: [UInt8]...) -> [UInt8] {
        var hash = SHA512()
        for part in parts { hash.update(data: part) }
        return Array(hash.finalize())
    }

    /// SHA-256 of the parts in order, 32 bytes (FIPS 180-4).
    public static func sha256(_ parts: [UInt8]...) -> [UInt8] {
        var hash = SHA256()
        for part in parts { hash.update(data: part) }
        return Array(hash.finalize())
    }

    /// HMAC-SHA-256 of `message`, 32 bytes (RFC 2104).
    public static func hmacSHA256(key: Secret, message: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: key.exposed())
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
    }
}
