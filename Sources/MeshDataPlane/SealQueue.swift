internal import MeshBase
public import MeshCrypto
public import MeshLinux

/// Datagrams of a `SegmentBatch` that get their content and are sealed where they lie, one after the other, when the batch
/// goes out: by the loop's thread alone, while others are in the daemon.
///
/// Copied and sealed at once a datagram stays in the processor's first cache, which all of them together leave.
///
/// One thread at a time uses it.
@safe
public final class SealQueue: SegmentCompletion, @unchecked Sendable {
    // '@unchecked Sendable': its one user at a time is its owner's concern.

    /// Whoever makes one answers for the memory.
    @safe private struct Entry {
        let place: SealJob.Place
        /// Where the datagram begins in the batch's memory.
        let offset: Int
        /// Where its content begins in the datagram.
        let contentOffset: Int
        let head: UnsafeRawBufferPointer
        let body: UnsafeRawBufferPointer
    }

    private var entries: [Entry] = []
    /// Runs of entries with one key, each up to its end: records to one peer follow one another.
    private var runs: [(key: AEADKey, end: Int)] = []

    /// Makes an empty queue.
    public init() {
        // What a batch holds of full records; of shorter ones there may be more.
        entries.reserveCapacity(256)
        runs.reserveCapacity(8)
    }

    /// Adds the datagram that begins at `offset` of the batch's memory. `head` and `body` are what lies from `contentOffset`
    /// of it on.
    ///
    /// The caller leaves their memory alone until the batch was sent.
    @unsafe
    public func append(_ job: SealJob, at offset: Int, contentOffset: Int, _ head: RawSpan, _ body: RawSpan) {
        // SAFETY: the caller's concern.
        let (head, body) = unsafe (head.withUnsafeBytes { unsafe $0 }, body.withUnsafeBytes { unsafe $0 })
        unsafe entries.append(
            Entry(place: job.place, offset: offset, contentOffset: contentOffset, head: head, body: body))
        let last = runs.count - 1
        if last >= 0, runs[last].key === job.key {
            runs[last].end = entries.count
        } else {
            runs.append((job.key, entries.count))
        }
    }

    /// Copies and seals all. Their keys are let go.
    public func complete(_ bytes: inout MutableRawSpan) {
        guard !runs.isEmpty else { return }
        var next = 0
        for (key, end) in runs {
            while next < end {
                let entry = entries[next]
                let range = entry.offset..<entry.offset + entry.place.byteCount
                var datagram = bytes._mutatingExtracting(range)
                // SAFETY: the memory is left alone until now (`append`).
                unsafe datagram.store(entry.head.bytes, at: entry.contentOffset)
                unsafe datagram.store(entry.body.bytes, at: entry.contentOffset + entry.head.count)
                entry.place.seal(&datagram, by: key)
                next += 1
            }
        }
        entries.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }
}
