import MeshBase
package import NIOCore

/// Cuts a byte stream into WebSocket frames and unmasks them.
package struct WebSocketFrameReader {
    /// One frame with its unmasked payload.
    package struct Frame: Equatable, Sendable {
        package var header: WebSocketFrameHeader
        package var payload: ByteBuffer
    }

    private struct Place {
        var header: WebSocketFrameHeader
        /// Where the payload begins, counted from the reader index of ``pending``.
        var payloadOffset: Int
    }

    private let sender: WebSocketRole
    /// The longest payload taken; a change counts from the next frame on.
    package var payloadByteCountMax: Int
    private var pending = ByteBuffer()
    private var places: [Place] = []

    /// Makes a reader of what `sender` sends.
    package init(from sender: WebSocketRole, payloadByteCountMax: Int) {
        self.sender = sender
        self.payloadByteCountMax = payloadByteCountMax
    }

    /// Takes in `bytes` and appends the frames that are now whole to `frames`.
    ///
    /// Returns the violation that ends the stream, if any; the frames before it are appended all the same. Payloads
    /// share the storage of `bytes`: nothing is copied while the stream's pieces end where frames end.
    package mutating func read(_ bytes: consuming ByteBuffer, into frames: inout [Frame]) -> WebSocketViolation? {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            // A stream whose pieces never end where a frame ends would else keep all that was read of it.
            if pending.writableBytes < bytes.readableBytes { pending.discardReadBytes() }
            pending.writeBuffer(&bytes)
        }
        let violation = findFrames()
        guard let last = places.last else { return violation }
        for place in places {
            let start = pending.readerIndex + place.payloadOffset
            guard let payload = pending.getSlice(at: start, length: place.header.payloadByteCount) else { continue }
            frames.append(Frame(header: place.header, payload: payload))
        }
        pending.moveReaderIndex(forwardBy: last.payloadOffset + last.header.payloadByteCount)
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        places.removeAll(keepingCapacity: true)
        return violation
    }

    /// Notes the places of all whole frames and unmasks them where they are, before any slice is made of the buffer:
    /// each write into a buffer that is shared with a slice would copy it.
    private mutating func findFrames() -> WebSocketViolation? {
        var offset = 0
        while true {
            let header: WebSocketFrameHeader?
            do throws(WebSocketViolation) {
                header = try WebSocketFrameHeader.parse(
                    pending.readableBytesSpan, at: offset, from: sender, payloadByteCountMax: payloadByteCountMax)
            } catch {
                return error
            }
            guard let header else { return nil }
            let payloadOffset = offset + header.byteCount
            let missing = payloadOffset + header.payloadByteCount - pending.readableBytes
            guard missing <= 0 else {
                // What is reserved is bounded by the limit that the header was checked against.
                if places.isEmpty {
                    if pending.writableBytes < missing { pending.discardReadBytes() }
                    pending.reserveCapacity(minimumWritableBytes: missing)
                }
                return nil
            }
            if let key = header.maskingKey, header.payloadByteCount > 0 {
                var span = pending.mutableReadableBytesSpan
                WebSocketMask.apply(key, to: &span, at: payloadOffset, byteCount: header.payloadByteCount)
            }
            places.append(Place(header: header, payloadOffset: payloadOffset))
            offset = payloadOffset + header.payloadByteCount
        }
    }
}
