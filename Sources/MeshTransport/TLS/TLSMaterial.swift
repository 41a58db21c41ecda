import Crypto
import FoundationEssentials
import NIOSSL
import SwiftASN1
import X509

/// A TLS certificate with its private key, as a server presents it.
public struct TLSMaterial: Sendable, CustomStringConvertible {
    /// The certificate chain, leaf first, as PEM text.
    public let certificatePEM: String
    /// The leaf's private key as PEM text: a secret.
    public let keyPEM: String
    /// SHA-256 of the leaf's DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), 32 bytes.
    public let spkiHash: [UInt8]
    /// When the leaf expires, in seconds since 1970-01-01 UTC.
    public let notValidAfterUnixSeconds: Int64
    let context: NIOSSLContext

    /// Takes a chain and its key from PEM text, and checks that they can be used together.
    public init(certificatePEM: String, keyPEM: String) throws(TLSMaterialError) {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMBytes(Array(certificatePEM.utf8)) } catch {
            throw .certificateUnreadable
        }
        guard let leaf = chain.first else { throw .certificateUnreadable }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem) } catch { throw .keyUnreadable }
        do {
            context = try TLSContexts.server(chain: chain, key: key)
            spkiHash = try TLSContexts.spkiHash(of: leaf)
        } catch { throw .keyDoesNotMatch }
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
        notValidAfterUnixSeconds = Int64(leaf.notValidAfter)
    }

    /// Makes a new P-256 key and a certificate for it that is signed by that same key.
    ///
    /// It is valid from a day ago, so that a clock that is somewhat behind makes no difference.
    public static func selfSigned(commonName: String, validDays: Int) throws(TLSMaterialError) -> TLSMaterial {
        let certificatePEM: String
        let key = P256.Signing.PrivateKey()
        do {
            let now = Date()
            let name = try DistinguishedName { CommonName(commonName) }
            let certificate = try Certificate(
                version: .v3,
                serialNumber: Certificate.SerialNumber(),
                publicKey: Certificate.PublicKey(key.publicKey),
                notValidBefore: now.addingTimeInterval(-86_400),
                notValidAfter: now.addingTimeInterval(Double(validDays) * 86_400),
                issuer: name,
                subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    SubjectAlternativeNames([.dnsName(commonName)])
                },
                issuerPrivateKey: Certificate.PrivateKey(key))
            certificatePEM = try certificate.serializeAsPEM().pemString
        } catch {
            throw .cannotMakeCertificate(commonName: commonName)
        }
        return try TLSMaterial(certificatePEM: certificatePEM, keyPEM: key.pemRepresentation)
    }

    /// The public side only.
    public var description: String {
        "TLS certificate, expires \(notValidAfterUnixSeconds) s after 1970-01-01 UTC"
    }
}

/// Why a certificate or key cannot be used.
public enum TLSMaterialError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The certificate text holds no readable PEM certificate.
    case certificateUnreadable
    /// The key text is not a readable, unencrypted PEM private key.
    case keyUnreadable
    /// The key is not the certificate's.
    case keyDoesNotMatch
    /// No certificate can be made for this name.
    case cannotMakeCertificate(commonName: String)

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .certificateUnreadable: "the TLS certificate is not readable PEM; give a file with the leaf first"
        case .keyUnreadable: "the TLS key is not a readable PEM private key; give an unencrypted one"
        case .keyDoesNotMatch: "the TLS key does not belong to the certificate; give the pair that was made together"
        case .cannotMakeCertificate(let name):
            "no TLS certificate can be made for the name \"\(name)\"; use a host name"
        }
    }
}
