internal import Glibc

/// Secret bytes. Zeroed when the last reference goes; without description, equality or hash.
///
/// A reference and not a `~Copyable` value, because handshake work carries secrets to a worker and back.
@safe
public final class Secret: Sendable {
    // SAFETY: written only in `init`, before the object is shared, and in `deinit`, after the last reference is gone.
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer

    /// Takes the bytes over; the caller's array is not zeroed, so make it as short-lived as possible.
    public init(_ bytes: [UInt8]) {
        unsafe storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        unsafe storage.copyBytes(from: bytes)
        byteCount = bytes.count
    }

    /// Number of bytes.
    public let byteCount: Int

    /// Calls `body` with the bytes, which must not outlive the call.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // SAFETY: the buffer has `byteCount` initialised bytes and lives as long as `self`.
        try unsafe body(UnsafeRawBufferPointer(rebasing: storage[..<byteCount]))
    }

    /// A copy of the bytes, for an encoder or a library that takes arrays.
    public func exposed() -> [UInt8] { unsafe withBytes { unsafe [UInt8]($0) } }

    deinit {
        // SAFETY: the buffer is this object's own. explicit_bzero(3) is never optimised away.
        unsafe explicit_bzero(storage.baseAddress!, storage.count)
        unsafe storage.deallocate()
    }
}
