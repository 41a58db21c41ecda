public import Dispatch
internal import Glibc

/// Calls a handler for signals, on a queue and never inside a signal handler.
@safe
public final class ProcessSignals: Sendable {
    /// Asks the process to end (signal(7)).
    public static let terminate: CInt = SIGTERM
    /// The interrupt key.
    public static let interrupt: CInt = SIGINT
    /// Asks for a reload of the configuration.
    public static let hangUp: CInt = SIGHUP

    // SAFETY: written in `init` only; a dispatch source may be used from any thread.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    /// Takes the signals over from their default action until the object is gone.
    public init(_ signals: [CInt], on queue: DispatchQueue = .global(), handler: @escaping @Sendable (CInt) -> Void) {
        unsafe sources = signals.map { number in
            // The source below receives the signal instead.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    deinit { for source in unsafe sources { source.cancel() } }
}
