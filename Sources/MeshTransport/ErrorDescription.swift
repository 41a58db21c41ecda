import NIOCore
import NIOSSL

/// An error of the socket or of TLS in few words, for people.
func describe(_ error: any Error) -> String {
    switch error {
    case NIOSSLError.handshakeFailed(let cause): "TLS handshake: \(cause)"
    case NIOSSLError.uncleanShutdown: "ended without a TLS closing message"
    default: "\(error)"
    }
}
