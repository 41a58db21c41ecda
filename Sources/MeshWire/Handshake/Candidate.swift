public import MeshBase

/// An address at which a node may be reached, as its owner lists it.
///
///     | source (1) | transport (1) | family (1): 4 or 6 | port (2) | address (4 or 16) |
public struct Candidate: Hashable, Sendable {
    /// How the owner learned of the address.
    public enum Source: UInt8, Sendable {
        case configured = 1, interface = 2, relayObserved = 3, portMapping = 4
    }
    /// What listens there.
    public enum Transport: UInt8, Sendable {
        case udp = 1, webSocket = 2
    }

    /// How the owner learned of the address.
    public var source: Source
    /// What listens there.
    public var transport: Transport
    /// The address and port.
    public var endpoint: Endpoint

    /// Makes a candidate.
    public init(source: Source, transport: Transport, endpoint: Endpoint) {
        self.source = source
        self.transport = transport
        self.endpoint = endpoint
    }

    init(parsing bytes: RawSpan) throws(WireError) {
        var reader = WireReader(bytes)
        guard let source = Source(rawValue: try reader.readInteger(as: UInt8.self)),
            let transport = Transport(rawValue: try reader.readInteger(as: UInt8.self))
        else { throw .invalidField(.candidate) }
        self.source = source
        self.transport = transport
        endpoint = try reader.readEndpoint()
        try reader.requireEnd()
    }

    var bytes: [UInt8] {
        var writer = WireWriter(capacity: 21)
        writer.write([source.rawValue, transport.rawValue])
        writer.write(endpoint)
        return writer.bytes
    }
}

extension WireReader {
    /// Reads family (1), port (2) and address (4 or 16). Throws `truncated` or `invalidField(.address)`.
    mutating func readEndpoint() throws(WireError) -> Endpoint {
        let family = try readInteger(as: UInt8.self)
        guard family == 4 || family == 6 else { throw .invalidField(.address) }
        let port = try readInteger(as: UInt16.self)
        guard let address = IPAddress(bytes: try readBytes(count: family == 4 ? 4 : 16)) else {
            throw .invalidField(.address)
        }
        return Endpoint(address: address, port: port)
    }
}

extension WireWriter {
    /// Writes family (1), port (2) and address (4 or 16).
    mutating func write(_ endpoint: Endpoint) {
        write(UInt8(endpoint.address.isVersion6 ? 6 : 4))
        write(endpoint.port)
        write(endpoint.address.bytes)
    }
}
