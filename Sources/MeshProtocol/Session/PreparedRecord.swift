public import MeshCrypto

/// A record with a frame, or a part of one, that is complete but for its sealing: its counter is used, and it is counted as
/// sent.
public struct PreparedRecord: Sendable {
    /// What is left to be done.
    public let job: SealJob
    /// Whether `job` may be done by whoever sends the record, without the node. Otherwise the node needs the sealed bytes:
    /// seal with `Node.seal` before the next event.
    public let mayWait: Bool

    /// The record that was prepared `index` places later in the same call, of `byteCount` bytes.
    public func following(_ index: Int, byteCount: Int) -> PreparedRecord {
        PreparedRecord(job: job.following(index, byteCount: byteCount), mayWait: mayWait)
    }

    /// The record's byte count.
    public var byteCount: Int { job.byteCount }
}
