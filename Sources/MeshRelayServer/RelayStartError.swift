package import MeshTransport

/// What keeps a relay from starting, other than a system call, a port or its configuration.
package enum RelayStartError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The certificate and key in these files cannot be used; `isOwn` when the relay made them itself.
    case unusableTLS(certificate: String, key: String, reason: TLSMaterialError, isOwn: Bool)
    /// The directory for what the relay keeps does not exist.
    case noStateDirectory(String)

    /// What is wrong, with what, and what to do.
    package var description: String {
        switch self {
        case .unusableTLS(let certificate, let key, let reason, let isOwn):
            let file = reason == .certificateUnreadable ? certificate : key
            let remedy = isOwn ? "; or remove \(certificate) and \(key), and the relay makes new ones" : ""
            return "\(file): \(reason)\(remedy)"
        case .noStateDirectory(let path):
            return "the state directory \(path) does not exist; create it for the relay's user with mode 0700, "
                + "or name another one in state_directory"
        }
    }
}
