/// Completes datagrams of a `SegmentBatch` before they go out.
public protocol SegmentCompletion: AnyObject, Sendable {
    /// Writes what is missing of the datagrams in `bytes`, the batch's memory up to the end of the last of them.
    func complete(_ bytes: inout MutableRawSpan)
}
