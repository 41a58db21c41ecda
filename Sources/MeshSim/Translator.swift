public import MeshBase
internal import MeshCrypto

/// A network address translator of version 4, in the terms of RFC 4787.
public struct Translator: Sendable {
    /// What a decision depends on.
    public enum Rule: String, CaseIterable, Sendable {
        case independent, byAddress, byAddressAndPort
    }

    /// How ports outside are chosen.
    public enum Ports: String, CaseIterable, Sendable {
        case sequential, random
    }

    /// What it does.
    public struct Kind: Hashable, Sendable, CustomStringConvertible {
        /// What decides which port a socket gets (section 4.1).
        public var mapping: Rule
        /// Who is let in (section 5).
        public var filtering: Rule
        /// How ports are chosen.
        public var ports: Ports
        /// How long what nothing is sent by is kept, in milliseconds.
        public var lifetimeMilliseconds: UInt64

        /// Makes a kind. Many forget a flow of UDP after 30 s, though RFC 4787 REQ-5 asks for 2 minutes.
        public init(
            mapping: Rule = .independent, filtering: Rule = .byAddress, ports: Ports = .sequential,
            lifetimeMilliseconds: UInt64 = 30_000
        ) {
            self.mapping = mapping
            self.filtering = filtering
            self.ports = ports
            self.lifetimeMilliseconds = lifetimeMilliseconds
        }

        /// Mapping, filtering and ports, in a few words.
        public var description: String {
            "mapping \(mapping.rawValue), filter \(filtering.rawValue), ports \(ports.rawValue), "
                + "\(lifetimeMilliseconds / 1_000) s"
        }
    }

    /// A socket inside, and to whom its port outside is given.
    private struct Key: Hashable {
        var socket: Int
        var address: IPAddress?
        var port: UInt16?
    }

    private struct Binding {
        var key: Key
        /// Until when each destination may answer.
        var admitted: [Endpoint: Instant] = [:]
        var expiresAt: Instant
    }

    /// What it does.
    public let kind: Kind
    /// The address that others see.
    public let address: IPAddress
    private var ports: [Key: UInt16] = [:]
    private var bindings: [UInt16: Binding] = [:]
    private var nextPort: UInt16 = 40_000
    private var entropy: EntropySource

    /// A translator for `host`; `seed` decides which ports it draws.
    public init(host: Int, kind: Kind = Kind(), seed: UInt64 = 0) {
        self.kind = kind
        address = Self.address(of: host)
        entropy = .seeded(seed)
    }

    /// The address of the translator before `host` (RFC 5737).
    static func address(of host: Int) -> IPAddress {
        Attachment.endpoint([192, 0, 2, UInt8(truncatingIfNeeded: 100 + host)], 0).address
    }

    /// It starts anew: all is forgotten, and the ports that it gave are not given again soon.
    public mutating func rebind() {
        ports = [:]
        bindings = [:]
    }

    /// A socket sends to `destination`. Returns the source that others see.
    mutating func sent(from socket: Int, to destination: Endpoint, at now: Instant) -> Endpoint {
        let key = Key(
            socket: socket, address: kind.mapping == .independent ? nil : destination.address,
            port: kind.mapping == .byAddressAndPort ? destination.port : nil)
        let until = now.advanced(milliseconds: kind.lifetimeMilliseconds)
        if let port = ports[key], let binding = bindings[port], isAlive(binding, at: now) {
            bindings[port]?.admitted[destination] = until
            bindings[port]?.expiresAt = until
            return Endpoint(address: address, port: port)
        }
        let port = freePort()
        ports[key] = port
        bindings[port] = Binding(key: key, admitted: [destination: until], expiresAt: until)
        return Endpoint(address: address, port: port)
    }

    /// A relay's STUN service is asked again and again, so that the first socket's port stays.
    private func isAlive(_ binding: Binding, at now: Instant) -> Bool {
        binding.key.socket == 0 && kind.mapping == .independent || now < binding.expiresAt
    }

    private mutating func freePort() -> UInt16 {
        while true {
            let port: UInt16
            switch kind.ports {
            case .sequential:
                nextPort = nextPort == .max ? 40_000 : nextPort + 1
                port = nextPort
            case .random: port = UInt16(1_024 + entropy.number(below: 64_512))
            }
            if bindings[port] == nil { return port }
        }
    }

    /// The socket that a datagram from `source` to a port comes to; `nil`: it is not let in.
    func receiver(of port: UInt16, from source: Endpoint, at now: Instant) -> Int? {
        guard let binding = bindings[port], isAlive(binding, at: now) else { return nil }
        let isAdmitted =
            switch kind.filtering {
            case .independent: true
            case .byAddress: binding.admitted.contains { $0.key.address == source.address && now < $0.value }
            case .byAddressAndPort: binding.admitted[source].map { now < $0 } ?? false
            }
        return isAdmitted ? binding.key.socket : nil
    }

    /// Whether a port leads to a socket now.
    func leads(_ port: UInt16, at now: Instant) -> Bool { bindings[port].map { isAlive($0, at: now) } ?? false }
}
