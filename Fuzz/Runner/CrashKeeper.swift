import ArgumentParser
import Foundation
import Glibc

/// Keeps the input that is being run in a file, and gives the file its name when the process crashes or hangs.
struct CrashKeeper {
    /// An input that takes longer hangs.
    private static let hangSeconds: UInt32 = 20
    /// Traps of Swift are SIGILL or SIGTRAP, those of C the others.
    private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM]

    private let descriptor: Int32
    private let path: String

    /// Opens `<directory>/current` and handles the signals of a crash from now on.
    init(directory: String, seed: UInt64) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        path = "\(directory)/current"
        // SAFETY: the path is passed as a C string for the time of the call.
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else {
            throw ValidationError("cannot write \(path): errno \(errno)")
        }
        let crash = "\(directory)/crash-\(seed).bin"
        // SAFETY: the copies are never freed, so that the handler may read them at any time.
        unsafe CrashNote.current = strdup(path)
        unsafe CrashNote.crash = strdup(crash)
        unsafe CrashNote.text = strdup(
            "\ncrashed or hung: the input is \(crash)\nreplay it with: shadowmesh-fuzz replay \(crash)\n")
        for number in Self.signals {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = CrashNote.handle
            // Once: the second delivery ends the process in the usual way.
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_NODEFER
            unsafe sigaction(number, &action, nil)
        }
    }

    /// Writes the input to the file, and gives it 20 s.
    func keep(_ input: [UInt8]) {
        // SAFETY: the call reads `count` bytes of the array.
        _ = unsafe input.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        _ = ftruncate(descriptor, off_t(input.count))
        alarm(Self.hangSeconds)
    }

    /// Ends the run of a target: no input is under way.
    func done() {
        alarm(0)
        close(descriptor)
        // SAFETY: the path is passed as a C string for the time of the call.
        unsafe unlink(path)
    }
}

/// What the signal handler needs, ready before a signal can come.
private enum CrashNote {
    // SAFETY: written by the only thread before the handler is set; the handler only reads.
    nonisolated(unsafe) static var current: UnsafeMutablePointer<CChar>?
    nonisolated(unsafe) static var crash: UnsafeMutablePointer<CChar>?
    nonisolated(unsafe) static var text: UnsafeMutablePointer<CChar>?

    /// Calls only what signal-safety(7) lists; returning runs the faulting instruction again, now without a handler.
    static let handle: @convention(c) (Int32) -> Void = { number in
        guard let current = unsafe current, let crash = unsafe crash, let text = unsafe text else { return }
        unsafe rename(current, crash)
        _ = unsafe write(STDERR_FILENO, text, strlen(text))
        if number == SIGALRM || number == SIGABRT { raise(SIGKILL) }
    }
}
