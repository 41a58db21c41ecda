internal import CMeshLinux
internal import Glibc

/// What this process uses of the host.
public enum ProcessResources {
    /// Bytes of memory resident now (RSS, proc(5) `statm`); 0 when `/proc` is not mounted.
    public static func residentByteCount() -> UInt64 {
        // Seven numbers of at most 20 digits.
        guard let contents = try? AtomicFile.read("/proc/self/statm", byteCountMax: 256) else { return 0 }
        let fields = String(decoding: contents.bytes, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pageCount = UInt64(fields[1]) else { return 0 }
        return pageCount * UInt64(max(sysconf(CInt(_SC_PAGESIZE)), 0))
    }

    /// Processors that this process may run on (sched_getaffinity(2)); 1 at least.
    public static var processorCount: Int { max(Int(cmesh_processor_count()), 1) }

    /// Nanoseconds of processor time of all threads so far (`CLOCK_PROCESS_CPUTIME_ID`).
    public static func processorTimeNanoseconds() -> UInt64 {
        UInt64(clamping: cmesh_clock(CLOCK_PROCESS_CPUTIME_ID))
    }

    /// Nanoseconds of processor time of the calling thread so far (`CLOCK_THREAD_CPUTIME_ID`).
    public static func threadProcessorTimeNanoseconds() -> UInt64 {
        UInt64(clamping: cmesh_clock(CLOCK_THREAD_CPUTIME_ID))
    }

    /// Gives back the memory of code that ran so far, and of what was freed: what runs on is mapped again from its file's
    /// cached pages, and what only set-up needed is not.
    ///
    /// Two thirds of a program's code that ever runs do so while it starts, reads its configuration, prepares TLS and shakes
    /// hands, and would stay mapped after.
    public static func forgetSetUp() {
        // A kernel that refuses leaves the memory as it is.
        _ = cmesh_process_forget_set_up()
    }
}
