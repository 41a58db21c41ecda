import Glibc
import MeshBase

/// What the program's exit status says; numbers of sysexits.h where it has one.
public enum ExitStatus: Int32, Sendable, CaseIterable {
    /// Done.
    case success = 0
    /// Not done, for a reason on standard error.
    case failure = 1
    /// Arguments that make no command (EX_USAGE).
    case usage = 64
    /// No daemon is running, or it does not answer (EX_UNAVAILABLE).
    case unavailable = 69
    /// Permission denied (EX_NOPERM).
    case permissionDenied = 77
    /// A mistake in the configuration (EX_CONFIG).
    case configuration = 78

    /// The status for an error that ends a command.
    public init(_ error: any Error) {
        switch error {
        case is ConfigurationError: self = .configuration
        case ControlClientError.notRunning, ControlClientError.timedOut: self = .unavailable
        case ControlClientError.permissionDenied: self = .permissionDenied
        case let problem as any NumberedError: self = Self(problem)
        case ControlServerError.unknownGroup: self = .configuration
        case ControlServerError.system(let problem): self = Self(problem)
        default: self = .failure
        }
    }

    private init(_ problem: any NumberedError) {
        self = problem.errorNumber == EACCES || problem.errorNumber == EPERM ? .permissionDenied : .failure
    }
}
