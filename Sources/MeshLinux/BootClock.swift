internal import CMeshLinux
internal import Glibc
public import MeshBase

/// The host's clock since boot, which also runs while the host sleeps and is never set (`CLOCK_BOOTTIME`).
public enum BootClock {
    /// The time now.
    public static func now() -> Instant {
        // The clock exists since Linux 2.6.39 and cannot fail; a negated errno would read as the boot.
        Instant(nanoseconds: UInt64(clamping: cmesh_clock(CLOCK_BOOTTIME)))
    }

    /// Seconds since 1970 by the wall clock; for the expiry of certificates and statements only.
    public static func wallClockSeconds() -> UInt64 { UInt64(clamping: cmesh_clock(CLOCK_REALTIME)) / 1_000_000_000 }
}
