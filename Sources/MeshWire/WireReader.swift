public import MeshBase

/// A cursor over one received message. Borrows the bytes; never reads past their end.
public struct WireReader: ~Escapable, BitwiseCopyable {
    private let bytes: RawSpan
    /// Bytes read so far.
    public private(set) var offset = 0

    /// Starts at the first byte of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Bytes not yet read.
    public var remainingByteCount: Int { bytes.byteCount - offset }

    /// Reads a big-endian integer. Throws `truncated`.
    public mutating func readInteger<Integer: FixedWidthInteger & BitwiseCopyable>(
        as type: Integer.Type
    ) throws(WireError) -> Integer {
        let size = MemoryLayout<Integer>.size
        try require(size)
        defer { offset += size }
        return bytes.bigEndian(at: offset, as: type)
    }

    /// Reads `count` bytes. Throws `truncated`.
    public mutating func readBytes(count: Int) throws(WireError) -> [UInt8] {
        try require(count)
        defer { offset += count }
        return bytes.copy(offset..<offset + count)
    }

    /// Reads a peer ID of 32 bytes. Throws `truncated`.
    public mutating func readPeerID() throws(WireError) -> PeerID {
        guard let id = PeerID(bytes: try readBytes(count: PeerID.byteCount)) else { throw .invalidField(.count) }
        return id
    }

    /// Reads all bytes that are left.
    public mutating func readRest() -> [UInt8] {
        defer { offset = bytes.byteCount }
        return bytes.copy(offset..<bytes.byteCount)
    }

    /// Throws `trailing` when bytes are left.
    public func requireEnd() throws(WireError) {
        guard remainingByteCount == 0 else { throw .trailing(byteCount: remainingByteCount) }
    }

    private func require(_ count: Int) throws(WireError) {
        guard count >= 0, remainingByteCount >= count else { throw .truncated(need: count, have: remainingByteCount) }
    }
}

extension RawSpan {
    /// Copies the bytes of `range`; traps when it is not inside the span.
    public func copy(_ range: Range<Int>) -> [UInt8] {
        // SAFETY: the pointer is read only inside the closure, while the span's memory is borrowed.
        unsafe extracting(range).withUnsafeBytes { unsafe [UInt8]($0) }
    }
}
