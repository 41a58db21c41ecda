import MeshBase

extension StunMessage {
    /// The bytes of the message.
    public var encoded: [UInt8] {
        var bytes: [UInt8] = []
        // The largest message written here: header, three addresses of version 6, fingerprint.
        bytes.reserveCapacity(112)
        let classBits = UInt16(messageClass.rawValue)
        let type =
            (classBits & 2) << 7 | (classBits & 1) << 4
            | (method & 0xF80) << 2 | (method & 0x70) << 1 | method & 0x0F
        bytes.appendBigEndian(type)
        bytes.appendBigEndian(UInt16(0))
        if !isClassic { bytes.appendBigEndian(Self.magicCookie) }
        bytes += transactionID
        if let errorCode { bytes.appendAttribute(StunAttribute.errorCode, Self.encode(errorCode)) }
        if !unknownAttributes.isEmpty {
            var types: [UInt8] = []
            for type in unknownAttributes { types.appendBigEndian(type) }
            bytes.appendAttribute(StunAttribute.unknownAttributes, types)
        }
        if let mappedEndpoint {
            if isClassic {
                bytes.appendAttribute(StunAttribute.mappedAddress, Self.encodePlain(mappedEndpoint))
            } else {
                bytes.appendAttribute(StunAttribute.xorMappedAddress, encode(mappedEndpoint))
            }
        }
        if let changeRequest {
            bytes.appendAttribute(StunAttribute.changeRequest, [0, 0, 0, Self.encode(changeRequest)])
        }
        if let responsePort {
            bytes.appendAttribute(StunAttribute.responsePort, [UInt8(responsePort >> 8), UInt8(responsePort & 0xFF)])
        }
        if let responseOrigin {
            let type = isClassic ? StunAttribute.sourceAddress : StunAttribute.responseOrigin
            bytes.appendAttribute(type, Self.encodePlain(responseOrigin))
        }
        if let otherAddress {
            let type = isClassic ? StunAttribute.changedAddress : StunAttribute.otherAddress
            bytes.appendAttribute(type, Self.encodePlain(otherAddress))
        }
        if let paddingByteCount {
            bytes.appendAttribute(StunAttribute.padding, [UInt8](repeating: 0, count: paddingByteCount))
        }
        if let software { bytes.appendAttribute(StunAttribute.software, Array(software.utf8)) }
        let fingerprintByteCount = hasFingerprint ? 8 : 0
        let length = UInt16(bytes.count - Self.headerByteCount + fingerprintByteCount)
        bytes.replaceSubrange(2..<4, with: [UInt8(length >> 8), UInt8(length & 0xFF)])
        if hasFingerprint {
            var value: [UInt8] = []
            value.appendBigEndian(Self.fingerprint(bytes.span.rawBytes, upTo: bytes.count))
            bytes.appendAttribute(StunAttribute.fingerprint, value)
        }
        return bytes
    }

    /// ERROR-CODE (section 14.8): 0 (2), hundreds (1), rest (1), an empty reason.
    private static func encode(_ errorCode: UInt16) -> [UInt8] {
        [0, 0, UInt8(errorCode / 100 & 7), UInt8(errorCode % 100)]
    }

    /// CHANGE-REQUEST (RFC 5780 section 7.2): bit 2 another address, bit 1 another port.
    private static func encode(_ change: ChangeRequest) -> UInt8 {
        (change.changesAddress ? 4 : 0) | (change.changesPort ? 2 : 0)
    }

    /// An address as MAPPED-ADDRESS has it (section 14.1): 0 (1), family (1), port (2), address (4 or 16).
    private static func encodePlain(_ endpoint: Endpoint) -> [UInt8] {
        var value: [UInt8] = [0, endpoint.address.isVersion6 ? 2 : 1]
        value.appendBigEndian(endpoint.port)
        return value + endpoint.address.bytes
    }

    private func encode(_ endpoint: Endpoint) -> [UInt8] {
        var mask: [UInt8] = []
        mask.appendBigEndian(Self.magicCookie)
        mask += transactionID
        var value: [UInt8] = [0, endpoint.address.isVersion6 ? 2 : 1]
        value.appendBigEndian(endpoint.port ^ UInt16(Self.magicCookie >> 16))
        return value + zip(endpoint.address.bytes, mask).map { $0 ^ $1 }
    }
}

extension [UInt8] {
    fileprivate mutating func appendBigEndian<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    fileprivate mutating func appendAttribute(_ type: UInt16, _ value: [UInt8]) {
        appendBigEndian(type)
        appendBigEndian(UInt16(value.count))
        self += value
        while count % 4 != 0 { append(0) }
    }
}
