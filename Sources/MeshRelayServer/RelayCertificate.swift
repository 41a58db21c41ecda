internal import Glibc
package import MeshControl
internal import MeshLinux
package import MeshTransport

/// The relay's TLS certificate: of the configured files, or one that the relay makes at its first start.
package enum RelayCertificate {
    /// Ten years: the identity's statement vouches for the key, and is renewed every hour.
    private static let validDays = 3650
    /// A chain of certificates is a few kilobytes.
    private static let fileByteCountMax = 1 << 20

    /// Reads the certificate, or makes it. Throws `SystemCallError` and `RelayStartError`.
    package static func material(_ configuration: RelayConfiguration) throws -> TLSMaterial {
        if let tls = configuration.tls { return try read(certificate: tls.certificate, key: tls.key, isOwn: false) }
        let certificate = configuration.stateDirectory + "/tls.crt"
        let key = configuration.stateDirectory + "/tls.key"
        do {
            return try read(certificate: certificate, key: key, isOwn: true)
        } catch let error as SystemCallError where error.errno == ENOENT {
            do {
                return try make(certificate: certificate, key: key)
            } catch let error as SystemCallError where error.errno == ENOENT {
                throw RelayStartError.noStateDirectory(configuration.stateDirectory)
            }
        }
    }

    private static func make(certificate: String, key: String) throws -> TLSMaterial {
        let made = try TLSMaterial.selfSigned(commonName: "shadowmesh relay", validDays: validDays)
        try AtomicFile.write(Array(made.keyPEM.utf8), to: key, mode: 0o600, overwrite: true)
        try AtomicFile.write(Array(made.certificatePEM.utf8), to: certificate, mode: 0o644, overwrite: true)
        return made
    }

    private static func read(certificate: String, key: String, isOwn: Bool) throws -> TLSMaterial {
        let certificatePEM = try AtomicFile.read(certificate, byteCountMax: fileByteCountMax).bytes
        let keyPEM = try AtomicFile.read(key, byteCountMax: fileByteCountMax).bytes
        do throws(TLSMaterialError) {
            return try TLSMaterial(
                certificatePEM: String(decoding: certificatePEM, as: UTF8.self),
                keyPEM: String(decoding: keyPEM, as: UTF8.self))
        } catch {
            throw RelayStartError.unusableTLS(certificate: certificate, key: key, reason: error, isOwn: isOwn)
        }
    }
}
