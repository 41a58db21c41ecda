import MeshBase

extension StunMessage {
    /// Parses a whole datagram.
    ///
    /// Throws a ``StunError``; a wrong fingerprint is an error, a missing one is not.
    public static func parse(_ bytes: borrowing RawSpan) throws(StunError) -> StunMessage {
        guard bytes.byteCount >= headerByteCount else { throw .tooShort }
        let type = bytes.bigEndian(at: 0, as: UInt16.self)
        let hasCookie = bytes.bigEndian(at: 4, as: UInt32.self) == magicCookie
        // Of the first STUN (RFC 3489 section 11.1): binding request, answer, error.
        guard type & 0xC000 == 0, hasCookie || [0x0001, 0x0101, 0x0111].contains(type) else { throw .notStun }
        let length = Int(bytes.bigEndian(at: 2, as: UInt16.self))
        guard length == bytes.byteCount - headerByteCount, length % 4 == 0 else { throw .lengthWrong }
        let classBits = UInt8((type >> 7) & 2 | (type >> 4) & 1)
        // '!' is not needed: two bits have four values, and each is a class.
        guard let messageClass = Class(rawValue: classBits) else { throw .notStun }
        let method = (type >> 2) & 0xF80 | (type >> 1) & 0x70 | type & 0x0F
        var message = StunMessage(
            messageClass: messageClass, method: method,
            transactionID: hasCookie
                ? copy(bytes, 8, transactionIDByteCount) : copy(bytes, 4, classicTransactionIDByteCount))
        var offset = headerByteCount
        var isSealed = false
        while offset < bytes.byteCount {
            guard !message.hasFingerprint else { throw .fingerprintWrong }
            let type = bytes.bigEndian(at: offset, as: UInt16.self)
            let count = Int(bytes.bigEndian(at: offset + 2, as: UInt16.self))
            let value = offset + 4
            guard count <= bytes.byteCount - value else { throw .attributeMalformed(type) }
            // Section 14.5: what follows MESSAGE-INTEGRITY, but FINGERPRINT, is ignored.
            if !isSealed || type == StunAttribute.fingerprint {
                try message.read(type, bytes, at: value, byteCount: count)
            }
            isSealed = isSealed || type == StunAttribute.messageIntegrity
            // The sum of a multiple of 4 and the padded count stays within the message, whose length is one too.
            offset = value + (count + 3) / 4 * 4
        }
        return message
    }

    private mutating func read(
        _ type: UInt16, _ bytes: borrowing RawSpan, at value: Int, byteCount count: Int
    ) throws(StunError) {
        switch type {
        case StunAttribute.xorMappedAddress:
            mappedEndpoint = try Self.mappedEndpoint(bytes, at: value, byteCount: count)
        case StunAttribute.changeRequest:
            guard count == 4 else { throw .attributeMalformed(type) }
            let flags = bytes.bigEndian(at: value, as: UInt32.self)
            changeRequest = ChangeRequest(changesAddress: flags & 4 != 0, changesPort: flags & 2 != 0)
        case StunAttribute.mappedAddress where isClassic:
            mappedEndpoint = try Self.endpoint(type, bytes, at: value, byteCount: count)
        case StunAttribute.sourceAddress where isClassic, StunAttribute.responseOrigin:
            responseOrigin = try Self.endpoint(type, bytes, at: value, byteCount: count)
        case StunAttribute.changedAddress where isClassic, StunAttribute.otherAddress:
            otherAddress = try Self.endpoint(type, bytes, at: value, byteCount: count)
        case StunAttribute.responsePort:
            // The RFC's figure has two bytes of padding; some count them.
            guard count == 2 || count == 4 else { throw .attributeMalformed(type) }
            let port = bytes.bigEndian(at: value, as: UInt16.self)
            guard port != 0 else { throw .attributeMalformed(type) }
            responsePort = port
        case StunAttribute.padding: paddingByteCount = min(count, Self.paddingByteCountMax)
        case StunAttribute.errorCode:
            guard count >= 4 else { throw .attributeMalformed(type) }
            let (hundreds, rest) = (
                bytes.bigEndian(at: value + 2, as: UInt8.self) & 7, bytes.bigEndian(at: value + 3, as: UInt8.self)
            )
            guard (3...6).contains(hundreds), rest < 100 else { throw .attributeMalformed(type) }
            errorCode = UInt16(hundreds) * 100 + UInt16(rest)
        case StunAttribute.unknownAttributes:
            guard count % 2 == 0 else { throw .attributeMalformed(type) }
            unknownAttributes = stride(from: value, to: value + count, by: 2).prefix(Self.unknownCountMax).map { _ in 0
            }
            for index in unknownAttributes.indices {
                unknownAttributes[index] = bytes.bigEndian(at: value + index * 2, as: UInt16.self)
            }
        case StunAttribute.software:
            // Section 14.14: fewer than 128 characters, so at most 763 bytes.
            guard count <= 763, let text = String(validating: Self.copy(bytes, value, count), as: UTF8.self) else {
                throw .attributeMalformed(type)
            }
            software = text
        case StunAttribute.fingerprint:
            let expected = Self.fingerprint(bytes, upTo: value - 4)
            guard count == 4, bytes.bigEndian(at: value, as: UInt32.self) == expected else { throw .fingerprintWrong }
            hasFingerprint = true
        default:
            guard StunAttribute.isComprehensionRequired(type), !StunAttribute.isIgnored(type) else { return }
            if notUnderstood.count < Self.unknownCountMax { notUnderstood.append(type) }
        }
    }

    /// XOR-MAPPED-ADDRESS (section 14.2): 0 (1), family (1), port ^ cookie (2), address ^ cookie and transaction ID.
    private static func mappedEndpoint(
        _ bytes: borrowing RawSpan, at value: Int, byteCount count: Int
    ) throws(StunError) -> Endpoint {
        guard count >= 8 else { throw .attributeMalformed(StunAttribute.xorMappedAddress) }
        let family = bytes.bigEndian(at: value + 1, as: UInt8.self)
        guard (family == 1 && count == 8) || (family == 2 && count == 20) else {
            throw .attributeMalformed(StunAttribute.xorMappedAddress)
        }
        let port = bytes.bigEndian(at: value + 2, as: UInt16.self) ^ UInt16(magicCookie >> 16)
        // The bytes from the cookie on are cookie and transaction ID: the very mask.
        let mask = copy(bytes, 4, 16)
        let address = zip(copy(bytes, value + 4, count - 4), mask).map { $0 ^ $1 }
        guard let address = IPAddress(bytes: address) else {
            throw .attributeMalformed(StunAttribute.xorMappedAddress)
        }
        return Endpoint(address: address, port: port)
    }

    /// An address as MAPPED-ADDRESS has it (section 14.1): 0 (1), family (1), port (2), address (4 or 16).
    private static func endpoint(
        _ type: UInt16, _ bytes: borrowing RawSpan, at value: Int, byteCount count: Int
    ) throws(StunError) -> Endpoint {
        guard count == 8 || count == 20 else { throw .attributeMalformed(type) }
        let family = bytes.bigEndian(at: value + 1, as: UInt8.self)
        guard family == (count == 8 ? 1 : 2), let address = IPAddress(bytes: copy(bytes, value + 4, count - 4)) else {
            throw .attributeMalformed(type)
        }
        return Endpoint(address: address, port: bytes.bigEndian(at: value + 2, as: UInt16.self))
    }

    /// FINGERPRINT (section 14.7): CRC-32 of the message before it, its length field counting the fingerprint.
    static func fingerprint(_ bytes: borrowing RawSpan, upTo end: Int) -> UInt32 {
        var crc = CRC32()
        for index in 0..<end { crc.add(bytes.bigEndian(at: index, as: UInt8.self)) }
        return crc.value ^ 0x5354_554E
    }

    private static func copy(_ bytes: borrowing RawSpan, _ offset: Int, _ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for index in offset..<offset + count { result.append(bytes.bigEndian(at: index, as: UInt8.self)) }
        return result
    }
}
