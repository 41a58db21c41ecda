public import MeshBase

/// How a simulated host is attached to the network of datagrams: its addresses, and a translator before it.
public struct Attachment: Sendable {
    /// Its address of IPv4; `nil` for hosts without.
    public var version4: Endpoint?
    /// Its address of IPv6; `nil` for hosts without.
    public var version6: Endpoint?
    /// The translator between its address of IPv4 and the network.
    public var translator: Translator?
    /// Whether its network drops all UDP.
    public var isBlocked = false
    /// What the STUN services saw last.
    private var observed: [Endpoint] = []

    /// A host with an address of IPv4; a later `generation` has another one.
    public init(host: Int, generation: Int) { version4 = Self.version4Endpoint(of: host, generation: generation) }

    /// An address of IPv4 that everyone reaches (RFC 5737).
    public static func version4Endpoint(of host: Int, generation: Int) -> Endpoint {
        endpoint([198, 51, UInt8(truncatingIfNeeded: 100 + generation), UInt8(truncatingIfNeeded: host + 1)], 7000)
    }

    /// An address of IPv6 that everyone reaches (RFC 3849).
    public static func version6Endpoint(of host: Int, generation: Int) -> Endpoint {
        let low = [UInt8(truncatingIfNeeded: generation), UInt8(truncatingIfNeeded: host + 1)]
        return endpoint([0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 10) + low, 7000)
    }

    /// An address behind a translator (RFC 1918).
    public static func privateEndpoint(of host: Int) -> Endpoint {
        endpoint([10, 0, UInt8(truncatingIfNeeded: host), 1], 7000)
    }

    static func endpoint(_ bytes: [UInt8], _ port: UInt16) -> Endpoint {
        // '!' okay: four or sixteen bytes make an address.
        Endpoint(address: IPAddress(bytes: bytes)!, port: port)
    }

    /// The STUN services of two relays, by which a host learns how its translator maps its socket.
    static let observers = [endpoint([203, 0, 113, 201], 3_478), endpoint([203, 0, 113, 202], 3_478)]

    /// What the host knows of its own addresses: those of its interfaces, and what STUN services saw last.
    public var candidates: [Endpoint] { [version4, version6].compactMap(\.self) + observed }

    /// Asks the STUN services.
    public mutating func observe(at now: Instant) {
        observed = []
        guard !isBlocked else { return }
        for observer in Self.observers {
            guard let seen = translator?.sent(from: 0, to: observer, at: now), !observed.contains(seen) else {
                continue
            }
            observed.append(seen)
        }
    }

    /// The address that others reach it by.
    func endpoint(isVersion6: Bool) -> Endpoint? { isVersion6 ? version6 : version4 }

    /// Whether datagrams to `endpoint` come to the host, or to its translator.
    func owns(_ endpoint: Endpoint) -> Bool {
        if let translator, !endpoint.address.isVersion6 { return translator.address == endpoint.address }
        return self.endpoint(isVersion6: endpoint.address.isVersion6) == endpoint
    }

    /// Whether they come to a socket of the host, if they are let in.
    func leads(_ endpoint: Endpoint, at now: Instant) -> Bool {
        guard owns(endpoint) else { return false }
        return endpoint.address.isVersion6 || translator?.leads(endpoint.port, at: now) ?? true
    }

    /// The source that a datagram of a socket to `endpoint` has outside; `nil` when the host has no address of that version.
    mutating func source(for endpoint: Endpoint, socket: Int, at now: Instant) -> Endpoint? {
        let isVersion6 = endpoint.address.isVersion6
        if !isVersion6, let outside = translator?.sent(from: socket, to: endpoint, at: now) { return outside }
        return self.endpoint(isVersion6: isVersion6)
    }

    /// The socket that a datagram comes to; `nil`: it is not let in.
    func receiver(of endpoint: Endpoint, from source: Endpoint, at now: Instant) -> Int? {
        guard owns(endpoint) else { return nil }
        guard let translator, !endpoint.address.isVersion6 else { return 0 }
        return translator.receiver(of: endpoint.port, from: source, at: now)
    }
}
