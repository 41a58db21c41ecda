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

    /// What the host knows of its own addresses: those of its interfaces, and what a STUN server saw.
    public var candidates: [Endpoint] { [version4, translator?.external, version6].compactMap(\.self) }

    /// The address that others reach it by.
    func endpoint(isVersion6: Bool) -> Endpoint? { isVersion6 ? version6 : translator?.external ?? version4 }

    func owns(_ endpoint: Endpoint) -> Bool { self.endpoint(isVersion6: endpoint.address.isVersion6) == endpoint }

    /// The source that a datagram to `endpoint` has outside; `nil` when the host has no address of that version.
    mutating func source(for endpoint: Endpoint, at now: Instant) -> Endpoint? {
        let isVersion6 = endpoint.address.isVersion6
        if !isVersion6 { translator?.sent(to: endpoint.address, at: now) }
        return self.endpoint(isVersion6: isVersion6)
    }

    /// Whether a datagram from `source` gets to the host.
    func admits(_ source: Endpoint, at now: Instant) -> Bool {
        source.address.isVersion6 || translator?.admits(source.address, at: now) ?? true
    }
}

/// A network address translator with a mapping for all destinations and a filter by their address (RFC 4787 sections
/// 4.1 and 5).
public struct Translator: Sendable {
    /// Many forget a flow of UDP this soon, though RFC 4787 REQ-5 asks for 2 minutes.
    private static let filterMilliseconds: UInt64 = 30_000

    /// The address that others see.
    public private(set) var external: Endpoint
    private var admitted: [IPAddress: Instant] = [:]

    /// A translator for `host`.
    public init(host: Int) { external = Self.endpoint(host, port: 40_000) }

    private static func endpoint(_ host: Int, port: UInt16) -> Endpoint {
        Attachment.endpoint([192, 0, 2, UInt8(truncatingIfNeeded: 100 + host)], port)
    }

    /// Forgets all and uses another port.
    public mutating func rebind() {
        external = Endpoint(address: external.address, port: external.port + 1)
        admitted = [:]
    }

    mutating func sent(to address: IPAddress, at now: Instant) {
        admitted[address] = now.advanced(milliseconds: Self.filterMilliseconds)
    }

    func admits(_ address: IPAddress, at now: Instant) -> Bool { admitted[address].map { now < $0 } ?? false }
}
