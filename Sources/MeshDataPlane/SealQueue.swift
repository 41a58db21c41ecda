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
        /// Of the first datagram.
        let place: SealJob.Place
        /// Where the first datagram begins in the batch's memory.
        let offset: Int
        /// Where the content begins in each datagram.
        let contentOffset: Int
        let head: UnsafeRawBufferPointer
        /// The bodies of all, one behind the other.
        let body: UnsafeRawBufferPointer
        /// Bytes of the body of each but the last.
        let bodyByteCount: Int
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

    /// Adds the datagrams that begin at `offset` of the batch's memory, back to back. From `contentOffset` of each on lies `head`,
    /// and behind it `bodyByteCount` bytes of `body`, of the last one the rest; `nil`: there is one datagram. `job` is that
    /// of the first; the others' follow it.
    ///
    /// The caller leaves the memory of `head` and `body` alone until the batch was sent.
    @unsafe
    public func append(
        _ job: SealJob, at offset: Int, contentOffset: Int, _ head: RawSpan, _ body: RawSpan, bodyByteCount: Int? = nil
    ) {
        // SAFETY: the caller's concern.
        let (head, body) = unsafe (head.withUnsafeBytes { unsafe $0 }, body.withUnsafeBytes { unsafe $0 })
        unsafe entries.append(
            Entry(
                place: job.place, offset: offset, contentOffset: contentOffset, head: head, body: body,
                bodyByteCount: bodyByteCount ?? body.count))
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
                complete(entries[next], by: key, in: &bytes)
                next += 1
            }
        }
        entries.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
    }

    private func complete(_ entry: Entry, by key: AEADKey, in bytes: inout MutableRawSpan) {
        // SAFETY: the memory is left alone until now (`append`).
        let (head, body) = unsafe (entry.head.bytes, entry.body.bytes)
        var (index, offset, start) = (0, entry.offset, 0)
        repeat {
            let end = min(start + entry.bodyByteCount, body.byteCount)
            let byteCount = entry.contentOffset + head.byteCount + (end - start) + AEADKey.tagByteCount
            var datagram = bytes._mutatingExtracting(offset..<offset + byteCount)
            datagram.store(head, at: entry.contentOffset)
            datagram.store(body.extracting(start..<end), at: entry.contentOffset + head.byteCount)
            entry.place.following(index, byteCount: byteCount).seal(&datagram, by: key)
            (index, offset, start) = (index + 1, offset + byteCount, end)
        } while start < body.byteCount
    }
}
