internal import CMeshLinux
internal import Glibc

/// A named thread of the operating system; owns nothing but its closure.
///
/// It takes no signals: those go to the threads of the program that asked for them.
public struct OSThread: ~Copyable, Sendable {
    /// What the new thread runs, boxed to cross the C call.
    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    private let handle: pthread_t

    /// Starts a thread that runs `body` once.
    ///
    /// - Parameter name: Shown by `ps -L` and `top -H`; cut to 15 bytes, the kernel's limit.
    public init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
        // SAFETY: the box is retained here and released once: by the new thread, or below when there is none.
        let box = unsafe Unmanaged.passRetained(
            Body(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), run: body))
        var formerSignals = sigset_t()
        let maskByteCount = MemoryLayout<sigset_t>.size
        // SAFETY: the mask is a local `sigset_t` and its size is passed along. A new thread inherits the mask.
        _ = unsafe cmesh_signals_block_all(&formerSignals, maskByteCount)
        // SAFETY: as above.
        defer { _ = unsafe cmesh_signals_restore(&formerSignals, maskByteCount) }
        var handle = pthread_t()
        // SAFETY: the argument is the box, which the new thread takes over.
        let result = unsafe pthread_create(&handle, nil, { unsafe OSThread.main($0) }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            throw SystemCallError(call: "pthread_create", subject: name, errno: result)
        }
        self.handle = handle
    }

    /// Waits for the thread's end. Must not be called by the thread itself.
    public consuming func join() {
        // The handle is of a thread that was neither joined nor detached: the value is consumed here.
        _ = pthread_join(handle, nil)
        discard self
    }

    deinit {
        // A thread nobody waits for gives its memory back by itself at its end.
        _ = pthread_detach(handle)
    }

    /// Lets the waits of the calling thread end at most this much late; the kernel's default is 50,000 ns (prctl(2)).
    package static func setTimerSlack(nanoseconds: UInt) throws(SystemCallError) {
        _ = try checked(cmesh_thread_set_timer_slack(nanoseconds), "prctl PR_SET_TIMERSLACK")
    }

    /// Has the scheduler prefer short stretches of the calling thread, of 100,000 ns or more, over none for long: it gets
    /// no more time, but sooner (sched_setattr(2), sched_runtime; since Linux 6.12).
    public static func setSlice(nanoseconds: UInt64) throws(SystemCallError) {
        _ = try checked(cmesh_thread_set_slice(nanoseconds), "sched_setattr")
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument = unsafe argument else { return nil }
        // SAFETY: the argument is the box retained for this thread.
        let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        // SAFETY: the name's C string lives for the call.
        _ = unsafe cmesh_thread_set_name(body.name)
        body.run()
        return nil
    }
}
