public import MeshBase

/// Everything a relay is told at start.
public struct RelayConfiguration: Sendable, Hashable {
    /// The certificate of the TLS server.
    public struct TLS: Sendable, Hashable {
        /// Path of the certificate chain in PEM.
        public var certificate: String
        /// Path of its private key in PEM.
        public var key: String

        /// Makes the description of a certificate.
        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Who may use the relay.
    public enum Admission: Sendable, Hashable {
        /// Everyone who proves an identity.
        case open
        /// The listed peers.
        case allowList([PeerID])
        /// Whoever presents the token in the file.
        case token(file: String)
    }

    /// What one client or all of them may use.
    public struct Limits: Sendable, Hashable {
        /// Clients served at once; more are answered HTTP 503.
        public var clients = 1000
        /// Bytes of one item that is forwarded: a sealed record or a message of a handshake.
        public var frameBytes = 65_535
        /// Messages of all peers waiting in a client's signalling queue.
        public var signallingMessages = 64
        /// Bytes of data waiting for one pair of clients.
        public var dataBytesPerPair = 4 * 1024 * 1024
        /// Milliseconds that data may wait before it is dropped.
        public var dataAgeMilliseconds = 1000
        /// Bytes of data a second that one client may send; `nil` for no limit.
        public var rateBytesPerSecond: Int?
        /// Peers to which one client may be connected at once. With 1,000 clients that all name as many, 64 MB.
        public var peersPerClient = 1024

        /// Makes the default limits.
        public init() {}
    }

    /// Where clients connect.
    public var listenAddress: Endpoint
    /// Path of the file of the private identity.
    public var identity: String
    /// Path of the file of its passphrase.
    public var passphraseFile: String?
    /// Where STUN is answered; `nil` for nowhere.
    public var stunAddress: Endpoint?
    /// A second address of this host for STUN, so that nodes can find out what their translators let in; `nil` for none.
    public var stunAlternateAddress: Endpoint?
    /// The certificate; `nil` for a self-signed one kept in the state directory.
    public var tls: TLS?
    /// Directory for what the relay itself keeps.
    public var stateDirectory: String
    /// Who may use the relay.
    public var admission: Admission
    /// Limits.
    public var limits: Limits
    /// Where the relay is registered; `nil` for nowhere.
    public var registry: RegistryConfiguration?
    /// Logging.
    public var logging: LoggingConfiguration

    /// Makes a configuration of the defaults, to be changed field by field.
    public init() {
        listenAddress = Self.anyAddress(port: 443)
        stateDirectory = "/var/lib/shadowmesh-relay"
        identity = stateDirectory + "/identity"
        // 3478: the port of STUN (RFC 8489 section 18.6).
        stunAddress = Self.anyAddress(port: 3478)
        admission = .open
        limits = Limits()
        logging = LoggingConfiguration()
    }

    private static func anyAddress(port: UInt16) -> Endpoint {
        guard let address = IPAddress(bytes: [0, 0, 0, 0]) else { preconditionFailure("four bytes are an address") }
        return Endpoint(address: address, port: port)
    }
}
