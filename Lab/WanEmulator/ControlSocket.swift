internal import MeshLinux

/// A Unix socket that takes one command a connection and answers it.
struct ControlSocket: ~Copyable {
    /// Connections at most, each of a command tool that ends by itself; more are closed unheard.
    private static let connectionCountMax = 16

    private let listener: LocalSocket
    private var connections: [CInt: Connection] = [:]

    /// A class because dictionaries hold no values that cannot be copied.
    private final class Connection {
        let socket: LocalSocket
        init(_ socket: consuming LocalSocket) { self.socket = socket }
    }

    init(path: String) throws(SystemCallError) { listener = try LocalSocket(listeningAt: path) }

    /// The listener's descriptor.
    var descriptor: CInt { listener.number }

    /// Takes the next connection: its descriptor, by which it goes from here on.
    mutating func accept() -> CInt? {
        guard let accepted = listener.accept(), connections.count < Self.connectionCountMax else { return nil }
        let number = accepted.number
        connections[number] = Connection(accepted)
        return number
    }

    /// The connection's command; `nil`: none has come, or none will and the connection is closed.
    mutating func receive(_ number: CInt) -> String? {
        switch connections[number]?.socket.receive() {
        case .message(let line): return line
        case .nothing, nil: return nil
        case .ended:
            close(number)
            return nil
        }
    }

    /// Answers and closes.
    mutating func answer(_ number: CInt, _ text: String) {
        connections[number]?.socket.send(text)
        close(number)
    }

    mutating func close(_ number: CInt) { connections[number] = nil }
}
