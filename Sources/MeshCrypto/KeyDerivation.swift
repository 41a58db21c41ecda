internal import Crypto

/// HKDF with SHA-512 (RFC 5869).
public enum KeyDerivation {
    /// HKDF-Extract: a pseudorandom key of 64 bytes from the concatenated input secrets.
    public static func extract(salt: Secret, inputs: [Secret]) -> Secret {
        let material = SymmetricKey(data: inputs.flatMap { $0.exposed() })
        let key = HKDF<SHA512>.extract(inputKeyMaterial: material, salt: salt.exposed())
        return Secret(Array(key))
    }

    /// HKDF-Expand: `byteCount` bytes (at most 16,320) for `info` = the label's bytes, then `context`.
    public static func expand(_ key: Secret, label: String, context: [UInt8], byteCount: Int) -> Secret {
        let info = Array(label.utf8) + context
        let output = HKDF<SHA512>.expand(
            pseudoRandomKey: SymmetricKey(data: key.exposed()), info: info, outputByteCount: byteCount)
        // SAFETY: the pointer is copied from inside the closure.
        return Secret(unsafe output.withUnsafeBytes { unsafe [UInt8]($0) })
    }
}
