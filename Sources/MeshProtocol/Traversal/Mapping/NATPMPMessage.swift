package import MeshBase
package import MeshWire

/// Messages of NAT-PMP (RFC 6886 section 3), version 0; all numbers in network order.
///
///     request   0 (1) | operation (1): 0 address, 1 map UDP | 0 (2) | port inside (2) | port outside (2) | lifetime (4)
///     answer    0 (1) | 128 + operation (1) | result (2) | seconds since start (4) | address (4)
///                                                         … | port inside (2) | port outside (2) | lifetime (4)
package enum NATPMPMessage {
    /// The UDP port of gateways, also of PCP (RFC 6886 section 3.1, RFC 6887 section 19.1).
    package static let port: UInt16 = 5351
    /// The version, which tells this protocol from PCP.
    package static let version: UInt8 = 0
    /// Asks for the gateway's address outside.
    package static let addressRequest: [UInt8] = [version, 0]

    /// Asks for a UDP port, or with lifetime 0 gives it back (section 3.4).
    package static func mapRequest(internalPort: UInt16, externalPort: UInt16, lifetimeSeconds: UInt32) -> [UInt8] {
        var writer = WireWriter(capacity: 12)
        writer.write([version, 1, 0, 0])
        writer.write(internalPort)
        writer.write(externalPort)
        writer.write(lifetimeSeconds)
        return writer.bytes
    }

    /// What a gateway answers.
    package enum Answer: Hashable, Sendable {
        /// Its address outside.
        case address(IPAddress)
        /// A UDP port; a lifetime of 0: it was given back.
        case mapping(internalPort: UInt16, externalPort: UInt16, lifetimeSeconds: UInt32)
        /// It does not do what an operation asks for; the result code of section 3.5.
        case refused(operation: UInt8, result: UInt16)
    }

    /// Reads an answer; throws a `WireError`.
    package static func answer(_ bytes: [UInt8]) throws(WireError) -> Answer {
        let span = bytes.span
        var reader = WireReader(span.rawBytes)
        let found = try reader.readInteger(as: UInt8.self)
        guard found == version else { throw .unsupportedVersion(version: found, suite: 0) }
        let operation = try reader.readInteger(as: UInt8.self)
        guard operation >= 128 else { throw .unknownKind(operation) }
        let result = try reader.readInteger(as: UInt16.self)
        // A refusal may end here.
        guard result == 0 else { return .refused(operation: operation - 128, result: result) }
        _ = try reader.readInteger(as: UInt32.self)
        switch operation {
        case 128:
            guard let address = IPAddress(bytes: try reader.readBytes(count: 4)) else {
                throw .invalidField(.address)
            }
            try reader.requireEnd()
            return .address(address)
        case 129:
            let (inside, outside) = (
                try reader.readInteger(as: UInt16.self), try reader.readInteger(as: UInt16.self)
            )
            let lifetime = try reader.readInteger(as: UInt32.self)
            try reader.requireEnd()
            return .mapping(internalPort: inside, externalPort: outside, lifetimeSeconds: lifetime)
        default: throw .unknownKind(operation)
        }
    }
}
