/// A breach of RFC 6455 or of our limits by the other side; the connection is closed with ``closeCode``.
public enum WebSocketViolation: Error, Equatable, Sendable, CustomStringConvertible {
    /// A reserved bit was set though no extension was negotiated (section 5.2).
    case reservedBitSet
    /// An opcode that RFC 6455 does not define (section 5.2).
    case unknownOpcode(UInt8)
    /// A client sent a frame without a mask (section 5.1).
    case maskMissing
    /// A server sent a frame with a mask (section 5.1).
    case maskForbidden
    /// A control frame came in fragments (section 5.4).
    case controlFrameFragmented
    /// A control frame carried more than 125 bytes (section 5.5).
    case controlFrameTooLong
    /// A length was not in its shortest form or had its top bit set (section 5.2).
    case lengthMalformed
    /// A message was larger than the limit, in bytes.
    case messageTooLarge(byteCountMax: Int)
    /// A text message: this protocol has only binary ones.
    case textMessage
    /// A continuation frame without a message to continue (section 5.4).
    case continuationUnexpected
    /// A new message began before the fragments of the last one ended (section 5.4).
    case fragmentsInterrupted
    /// A close frame of one byte or with a code that must not be sent (section 7.4).
    case closeFrameMalformed
    /// A close reason that is not UTF-8 (section 5.5.1).
    case closeTextNotUTF8

    /// The close code told to the other side (RFC 6455 section 7.4.1).
    public var closeCode: UInt16 {
        switch self {
        case .messageTooLarge: 1009
        case .textMessage: 1003
        case .closeTextNotUTF8: 1007
        case .reservedBitSet, .unknownOpcode, .maskMissing, .maskForbidden, .controlFrameFragmented,
            .controlFrameTooLong, .lengthMalformed, .continuationUnexpected, .fragmentsInterrupted,
            .closeFrameMalformed:
            1002
        }
    }

    /// What the other side did, in words.
    public var description: String {
        switch self {
        case .reservedBitSet: "a frame with a reserved bit set"
        case .unknownOpcode(let opcode): "a frame with the unknown opcode \(opcode)"
        case .maskMissing: "a client frame without a mask"
        case .maskForbidden: "a server frame with a mask"
        case .controlFrameFragmented: "a fragmented control frame"
        case .controlFrameTooLong: "a control frame of more than 125 bytes"
        case .lengthMalformed: "a malformed frame length"
        case .messageTooLarge(let byteCountMax): "a message of more than \(byteCountMax) bytes"
        case .textMessage: "a text message where only binary ones are allowed"
        case .continuationUnexpected: "a continuation frame without a message to continue"
        case .fragmentsInterrupted: "a new message before the fragments of the last one ended"
        case .closeFrameMalformed: "a malformed close frame"
        case .closeTextNotUTF8: "a close reason that is not UTF-8"
        }
    }
}
