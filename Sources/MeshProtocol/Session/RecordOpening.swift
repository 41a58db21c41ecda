internal import MeshBase
internal import MeshCrypto
internal import MeshWire

/// Opens records of one session and epoch without their node, which afterwards decides whether they count.
///
///     Node.openingKey(of:): finds the key --> open: deciphers in place, on any thread --> Node.open(_:opening:by:...), or
///                                                                          OpenedRun --> Node.take(_:by:at:) for many
public struct OpeningKey: Sendable {
    let key: AEADKey

    /// Opens the record in place: one that this key was looked up for, or whose session index and epoch are the same.
    public func open(_ record: inout MutableRawSpan) -> RecordOpening {
        let byteCount = key.open(
            &record, headerByteCount: RecordHeader.byteCount, nonceHigh: 0,
            nonceLow: record.bytes.bigEndian(at: 8, as: UInt64.self))
        return RecordOpening(keyNumber: key.number, contentByteCount: byteCount)
    }
}

/// What opening a record without its node gave.
public struct RecordOpening: Sendable {
    /// The key that it was opened with.
    let keyNumber: UInt64
    /// Bytes of the content; `nil`: the tag did not match, and the content is void.
    let contentByteCount: Int?
}
