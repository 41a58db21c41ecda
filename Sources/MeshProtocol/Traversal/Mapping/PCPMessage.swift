package import MeshBase
package import MeshWire

/// Messages of PCP (RFC 6887), version 2; all numbers in network order, addresses of version 4 mapped into version 6.
///
///     request   2 (1) | operation (1): 0 ANNOUNCE, 1 MAP | 0 (2) | lifetime (4) | client's address (16)
///     answer    2 (1) | 128 + operation (1) | 0 (1) | result (1) | lifetime (4) | seconds since start (4) | 0 (12)
///     MAP       … nonce (12) | 17, UDP (1) | 0 (3) | port inside (2) | port outside (2) | address outside (16)
package enum PCPMessage {
    /// The version, which tells this protocol from NAT-PMP.
    package static let version: UInt8 = 2
    /// Bytes of a nonce (section 11.1).
    package static let nonceByteCount = 12
    /// No message is longer (section 7).
    package static let byteCountMax = 1_100
    private static let udp: UInt8 = 17

    /// Asks whether the gateway speaks PCP (section 14.1.1): it changes nothing.
    package static func announceRequest(client: IPAddress) -> [UInt8] {
        header(operation: 0, lifetimeSeconds: 0, client: client).bytes
    }

    /// Asks for a UDP port outside, or with lifetime 0 gives it back (section 11.2); `external` is what is wished for.
    package static func mapRequest(
        client: IPAddress, nonce: [UInt8], internalPort: UInt16, external: Endpoint?, lifetimeSeconds: UInt32
    ) -> [UInt8] {
        var writer = header(operation: 1, lifetimeSeconds: lifetimeSeconds, client: client)
        writer.write(nonce)
        writer.write([udp, 0, 0, 0])
        writer.write(internalPort)
        writer.write(external?.port ?? internalPort)
        writer.write(mapped(external?.address))
        return writer.bytes
    }

    private static func header(operation: UInt8, lifetimeSeconds: UInt32, client: IPAddress) -> WireWriter {
        var writer = WireWriter(capacity: 60)
        writer.write([version, operation, 0, 0])
        writer.write(lifetimeSeconds)
        writer.write(mapped(client))
        return writer
    }

    /// An address in 16 bytes; `nil` is that of version 4 that means none (section 5).
    private static func mapped(_ address: IPAddress?) -> [UInt8] {
        if let address, address.isVersion6 { return address.bytes }
        return [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + (address?.bytes ?? [0, 0, 0, 0])
    }

    /// What a gateway answers.
    package enum Answer: Hashable, Sendable {
        /// It speaks PCP.
        case announce
        /// A UDP port; a lifetime of 0: it was given back.
        case mapping(nonce: [UInt8], internalPort: UInt16, external: Endpoint, lifetimeSeconds: UInt32)
        /// It does not do what an operation asks for; the result code of section 7.4.
        case refused(operation: UInt8, result: UInt8)
    }

    /// Reads an answer; throws a `WireError`. Options behind it are not looked at.
    package static func answer(_ bytes: [UInt8]) throws(WireError) -> Answer {
        guard bytes.count <= byteCountMax else { throw .invalidField(.count) }
        let span = bytes.span
        var reader = WireReader(span.rawBytes)
        let found = try reader.readInteger(as: UInt8.self)
        guard found == version else { throw .unsupportedVersion(version: found, suite: 0) }
        let operation = try reader.readInteger(as: UInt8.self)
        guard operation >= 128 else { throw .unknownKind(operation) }
        _ = try reader.readInteger(as: UInt8.self)
        let result = try reader.readInteger(as: UInt8.self)
        let lifetime = try reader.readInteger(as: UInt32.self)
        _ = try reader.readBytes(count: 16)
        guard result == 0 else { return .refused(operation: operation - 128, result: result) }
        switch operation {
        case 128: return .announce
        case 129:
            let nonce = try reader.readBytes(count: nonceByteCount)
            guard try reader.readInteger(as: UInt8.self) == udp else { throw .invalidField(.parameter) }
            _ = try reader.readBytes(count: 3)
            let inside = try reader.readInteger(as: UInt16.self)
            let outside = try reader.readInteger(as: UInt16.self)
            guard let address = IPAddress(bytes: try reader.readBytes(count: 16)) else {
                throw .invalidField(.address)
            }
            return .mapping(
                nonce: nonce, internalPort: inside, external: Endpoint(address: address.unmapped, port: outside),
                lifetimeSeconds: lifetime)
        default: throw .unknownKind(operation)
        }
    }
}
