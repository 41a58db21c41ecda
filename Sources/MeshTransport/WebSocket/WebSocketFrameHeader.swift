import MeshBase

/// Which end of a WebSocket connection a frame comes from; only clients mask (RFC 6455 section 5.1).
package enum WebSocketRole: Sendable {
    case client
    case server
}

/// The kinds of frame (RFC 6455 section 11.8).
package enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
}

/// A frame header (RFC 6455 section 5.2).
///
/// ```
/// byte 0     FIN(1) RSV(3) opcode(4)
/// byte 1     MASK(1) length(7): 0...125, or 126: 2 bytes of length follow, or 127: 8 bytes follow
/// then       masking key (4), if MASK
/// ```
package struct WebSocketFrameHeader: Equatable, Sendable {
    /// The longest header: 2 bytes, 8 of length, 4 of masking key.
    package static let byteCountMax = 14
    /// The most a control frame may carry (RFC 6455 section 5.5).
    package static let controlPayloadByteCountMax = 125

    package var opcode: WebSocketOpcode
    /// Whether this is the last fragment of its message.
    package var isFinal = true
    /// The masking key as a big-endian number; `nil` without a mask.
    package var maskingKey: UInt32?
    package var payloadByteCount: Int

    package init(opcode: WebSocketOpcode, isFinal: Bool = true, maskingKey: UInt32?, payloadByteCount: Int) {
        self.opcode = opcode
        self.isFinal = isFinal
        self.maskingKey = maskingKey
        self.payloadByteCount = payloadByteCount
    }

    /// Byte count of the shortest header for a payload.
    package static func byteCount(payloadByteCount: Int, isMasked: Bool) -> Int {
        let lengthByteCount = payloadByteCount <= 125 ? 0 : payloadByteCount <= 0xFFFF ? 2 : 8
        return 2 + lengthByteCount + (isMasked ? 4 : 0)
    }

    /// Byte count of this header on the wire.
    package var byteCount: Int { Self.byteCount(payloadByteCount: payloadByteCount, isMasked: maskingKey != nil) }

    /// Parses the header at `offset`; `nil` when more bytes are needed.
    ///
    /// A frame is refused as soon as its header shows that it breaks a rule, before its payload is awaited.
    package static func parse(
        _ bytes: borrowing RawSpan, at offset: Int, from sender: WebSocketRole, payloadByteCountMax: Int
    ) throws(WebSocketViolation) -> WebSocketFrameHeader? {
        let available = bytes.byteCount - offset
        guard available >= 2 else { return nil }
        let first = bytes.bigEndian(at: offset, as: UInt8.self)
        let second = bytes.bigEndian(at: offset + 1, as: UInt8.self)
        guard first & 0x70 == 0 else { throw .reservedBitSet }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw .unknownOpcode(first & 0x0F) }
        guard opcode != .text else { throw .textMessage }
        let isFinal = first & 0x80 != 0
        let isMasked = second & 0x80 != 0
        if sender == .client, !isMasked { throw .maskMissing }
        if sender == .server, isMasked { throw .maskForbidden }
        let length = second & 0x7F
        if opcode.isControl {
            guard isFinal else { throw .controlFrameFragmented }
            guard length <= 125 else { throw .controlFrameTooLong }
        }
        let lengthByteCount = length == 126 ? 2 : length == 127 ? 8 : 0
        guard available >= 2 + lengthByteCount else { return nil }
        let payloadByteCount: UInt64
        switch length {
        case 126:
            payloadByteCount = UInt64(bytes.bigEndian(at: offset + 2, as: UInt16.self))
            guard payloadByteCount > 125 else { throw .lengthMalformed }
        case 127:
            payloadByteCount = bytes.bigEndian(at: offset + 2, as: UInt64.self)
            guard payloadByteCount > 0xFFFF, payloadByteCount >> 63 == 0 else { throw .lengthMalformed }
        default:
            payloadByteCount = UInt64(length)
        }
        guard payloadByteCount <= UInt64(payloadByteCountMax) || opcode.isControl else {
            throw .messageTooLarge(byteCountMax: payloadByteCountMax)
        }
        let keyOffset = offset + 2 + lengthByteCount
        guard !isMasked || available >= 2 + lengthByteCount + 4 else { return nil }
        return WebSocketFrameHeader(
            opcode: opcode, isFinal: isFinal,
            maskingKey: isMasked ? bytes.bigEndian(at: keyOffset, as: UInt32.self) : nil,
            payloadByteCount: Int(payloadByteCount))
    }
}

/// The masking of RFC 6455 section 5.3: XOR with a repeated four-byte key; its own inverse.
package enum WebSocketMask {
    /// Masks or unmasks `byteCount` bytes from `offset`, eight at a time.
    package static func apply(_ key: UInt32, to bytes: inout MutableRawSpan, at offset: Int, byteCount: Int) {
        let pattern = UInt64(key) << 32 | UInt64(key)
        var position = offset
        let end = offset + byteCount
        while end - position >= 8 {
            bytes.storeBigEndian(bytes.bigEndian(at: position, as: UInt64.self) ^ pattern, at: position)
            position += 8
        }
        var rest = pattern
        while position < end {
            rest = rest << 8 | rest >> 56
            let masked = bytes.bigEndian(at: position, as: UInt8.self) ^ UInt8(truncatingIfNeeded: rest)
            bytes.storeBigEndian(masked, at: position)
            position += 1
        }
    }
}
