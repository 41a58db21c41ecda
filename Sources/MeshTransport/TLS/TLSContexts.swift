import Crypto
import NIOCore
import NIOSSL

/// The TLS settings of both ends: TLS 1.3 only, key exchange as the library has it (X25519MLKEM768 first).
enum TLSContexts {
    /// The client's context, made once: making one takes longer than a handshake.
    static let client: Result<NIOSSLContext, any Error> = Result {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        // Any certificate is accepted by the callback of the connection: identity is proven above TLS. No trust store
        // is therefore loaded, which would cost megabytes.
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        configuration.applicationProtocols = applicationProtocols
        configuration.shutdownTimeout = .seconds(1)
        return try NIOSSLContext(configuration: configuration)
    }

    /// WebSocket is an upgrade of HTTP/1.1 (RFC 6455 section 4); proxies and scanners expect to see it named.
    private static let applicationProtocols = ["http/1.1"]

    static func server(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = applicationProtocols
        // The default of 5 s would keep sockets of vanished clients five times as long.
        configuration.shutdownTimeout = .seconds(1)
        return try NIOSSLContext(configuration: configuration)
    }

    /// SHA-256 of the certificate's DER SubjectPublicKeyInfo.
    static func spkiHash(of certificate: NIOSSLCertificate) throws -> [UInt8] {
        Array(SHA256.hash(data: try certificate.extractPublicKey().toSPKIBytes()))
    }
}
