public import MeshLinux
internal import Synchronization

/// Reads the TAP on a thread of its own and hands the frames on in batches.
///
///     TAP ──read──▶ slab ──FrameBatch──▶ consumer ──complete()──▶ slab again
///
/// A batch holds what is there, never waiting for more. At most `batchesOutstandingMax` batches are with the consumer;
/// then the reader stops reading and the kernel's queue (1,000 frames) drops what does not fit.
public final class TapReader: Sendable {
    /// Why the reader ended.
    public enum End: Hashable, Sendable {
        /// `stop()` was called.
        case stopped
        /// The device cannot be read any more, as when its interface was deleted from outside.
        case failed(SystemCallError)
    }

    /// What was read so far.
    public struct Counters: Hashable, Sendable {
        /// Frames handed on.
        public var frameCount: UInt64 = 0
        /// Their bytes.
        public var byteCount: UInt64 = 0
        /// Batches they came in.
        public var batchCount: UInt64 = 0
        /// Times the reader waited because the consumer held all batches.
        public var starvationCount: UInt64 = 0
    }

    /// Default of the batches a consumer may hold: one being sealed, one being sent, two to bridge the hand-over; 1 MiB.
    public static let batchesOutstandingDefault = 4

    private let shared: Shared
    private let thread: Mutex<OSThread?>

    /// Starts reading.
    ///
    /// - Parameters:
    ///   - batchesOutstandingMax: Batches a consumer may hold, 1 or more; each is a slab of 256 KiB.
    ///   - onBatch: Takes each batch, on the reader's thread: pass it on, do not work there.
    ///   - onEnd: Called once at the end, on the reader's thread.
    public init(
        port: TapPort, batchesOutstandingMax: Int = batchesOutstandingDefault,
        onBatch: @escaping @Sendable (FrameBatch) -> Void, onEnd: @escaping @Sendable (End) -> Void = { _ in }
    ) throws(SystemCallError) {
        precondition(batchesOutstandingMax > 0, "a reader needs at least one batch")
        let shared = Shared(port: port, pool: try SlabPool(slabCount: batchesOutstandingMax))
        self.shared = shared
        thread = Mutex(
            try OSThread(name: "tap-reader") {
                do throws(SystemCallError) {
                    var loop = try ReadLoop(shared: shared)
                    onEnd(loop.run(onBatch))
                } catch {
                    onEnd(.failed(error))
                }
            })
    }

    deinit { stop() }

    /// What was read so far.
    public var counters: Counters { shared.counters.withLock { $0 } }

    /// Ends the thread and waits for it; batches handed on stay readable. Not to be called by `onBatch` or `onEnd`.
    public func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        shared.isStopping.store(true, ordering: .releasing)
        shared.pool.wake.signal()
        thread.join()
    }

    /// What the reader's thread and its owner both see.
    final class Shared: Sendable {
        let port: TapPort
        let pool: SlabPool
        let isStopping = Atomic<Bool>(false)
        let counters = Mutex(TapReader.Counters())

        init(port: TapPort, pool: SlabPool) {
            self.port = port
            self.pool = pool
        }
    }
}
