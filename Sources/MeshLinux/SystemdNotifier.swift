internal import CMeshLinux
internal import Glibc

/// Tells systemd the state of a service of `Type=notify` (sd_notify(3)); does nothing when not run by it.
public struct SystemdNotifier: Sendable {
    /// What there is to tell.
    public enum State: Hashable, Sendable {
        /// Start-up is finished.
        case ready
        /// The service is stopping.
        case stopping
        /// A line for `systemctl status`.
        case status(String)

        var line: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            // A newline would end the variable and start another.
            case .status(let text): "STATUS=" + text.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }
    }

    private let socketPath: String?

    /// Takes the socket's path, `/…` or `@…` for an abstract one; `nil`: nobody to tell.
    public init(socketPath: String?) { self.socketPath = socketPath.flatMap { $0.isEmpty ? nil : $0 } }

    /// The notifier of this process, from the environment variable `NOTIFY_SOCKET`.
    public static func fromEnvironment() -> SystemdNotifier {
        // SAFETY: getenv(3) returns NULL or a C string that lives until the environment changes; copied at once.
        let path = unsafe getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) }
        return SystemdNotifier(socketPath: path)
    }

    /// Whether there is somebody to tell.
    public var isActive: Bool { socketPath != nil }

    /// Sends the states as one message.
    public func notify(_ states: State...) throws(SystemCallError) {
        guard let socketPath else { return }
        let message = Array(states.map(\.line).joined(separator: "\n").utf8)
        // SAFETY: the pointers are to a C string and to `message.count` bytes, both for the call.
        let result = unsafe cmesh_unix_datagram_send(socketPath, message, message.count)
        _ = try checked(result, "sendto", socketPath)
    }
}
