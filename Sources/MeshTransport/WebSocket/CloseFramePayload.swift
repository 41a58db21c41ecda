import MeshBase
package import NIOCore

/// What a close frame carries: nothing, or a two-byte code and UTF-8 text (RFC 6455 section 5.5.1).
package struct CloseFramePayload: Equatable, Sendable {
    /// The close code; `nil` when the frame was empty.
    package var code: UInt16?
    /// The reason in words, at most 123 bytes of UTF-8.
    package var text: String

    package init(code: UInt16?, text: String) {
        self.code = code
        var text = text
        while text.utf8.count > WebSocketFrameHeader.controlPayloadByteCountMax - 2 { text.removeLast() }
        self.text = text
    }

    /// Parses the payload of a close frame.
    package init(_ payload: ByteBuffer) throws(WebSocketViolation) {
        var payload = payload
        guard payload.readableBytes > 0 else {
            code = nil
            text = ""
            return
        }
        guard let code = payload.readInteger(as: UInt16.self), Self.mayBeSent(code) else { throw .closeFrameMalformed }
        guard let text = String(validating: payload.readableBytesView, as: UTF8.self) else { throw .closeTextNotUTF8 }
        self.code = code
        self.text = text
    }

    /// The payload bytes; the text is left out when there is no code.
    package var encoded: ByteBuffer {
        guard let code else { return ByteBuffer() }
        var buffer = ByteBuffer()
        buffer.writeInteger(code)
        buffer.writeString(text)
        return buffer
    }

    /// The codes that may be in a frame (RFC 6455 section 7.4; 1012 to 1014 by IANA's registry).
    private static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
