internal import Glibc
internal import MeshLinux

// shadowmesh-wan run CONFIG SOCKET     carries packets between the sites of CONFIG until it is ended
// shadowmesh-wan send SOCKET COMMAND   gives a running one a command and prints the answer

private func fail(_ message: String) -> Never {
    let line = Array("shadowmesh-wan: \(message)\n".utf8)
    // SAFETY: the bytes of the array, for the call.
    _ = unsafe write(STDERR_FILENO, line, line.count)
    exit(1)
}

private func run(_ configurationPath: String, _ controlPath: String) -> Never {
    do {
        var emulator = try Emulator(try Configuration(path: configurationPath), controlPath: controlPath)
        print("ready")
        fflush(nil)
        try emulator.run()
    } catch {
        fail("\(error)")
    }
    exit(0)
}

private func send(_ controlPath: String, _ command: String) -> Never {
    do throws(SystemCallError) {
        let socket = try LocalSocket(connectingTo: controlPath)
        socket.send(command)
        guard case .message(let answer) = socket.receive() else { fail("\(controlPath): no answer") }
        print(answer)
        exit(answer.hasPrefix("error") ? 1 : 0)
    } catch {
        fail(error.description)
    }
}

let arguments = CommandLine.arguments.dropFirst()
switch (arguments.first, arguments.count) {
case ("run", 3): run(arguments[2], arguments[3])
case ("send", 3...): send(arguments[2], arguments.dropFirst(2).joined(separator: " "))
default: fail("usage: shadowmesh-wan run CONFIG SOCKET | shadowmesh-wan send SOCKET COMMAND…")
}
