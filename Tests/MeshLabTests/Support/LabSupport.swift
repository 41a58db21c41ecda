import Glibc
import MeshBase
import MeshLinux
import Synchronization
import Testing

extension Trait where Self == ConditionTrait {
    /// These tests make network namespaces and devices, which the kernel lets only root do.
    static var enabledForRoot: Self { .enabled(if: geteuid() == 0, "needs root for network namespaces: run as root") }
}

/// Runs `body` on a thread of its own in a new network namespace, which is gone when the thread and its devices are.
func inNewNetworkNamespace<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    try onThread {
        try ThreadNamespace.unshareNetwork()
        return try body()
    }
}

/// Runs `body` on a thread of its own in the network namespace at `path`.
func inNetworkNamespace<Value: Sendable>(
    _ path: String, _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
    try onThread {
        try ThreadNamespace.enterNetwork(path)
        return try body()
    }
}

private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let result = Mutex<Result<Value, any Error>?>(nil)
    let thread = try OSThread(name: "namespace") {
        let outcome = Result { try body() }
        result.withLock { $0 = outcome }
    }
    thread.join()
    return try #require(result.withLock { $0 }).get()
}

/// What a command printed, both streams, and its exit status.
struct CommandResult: Sendable {
    let output: String
    let status: CInt

    /// The value behind `key` on a line of its own: `key value`.
    func value(_ key: String) -> Double? {
        for line in output.split(separator: "\n") where line.hasPrefix(key + " ") {
            return Double(line.dropFirst(key.utf8.count + 1))
        }
        return nil
    }
}

/// Runs a shell command in the calling thread's network namespace.
@discardableResult
func shell(_ command: String) throws -> CommandResult {
    guard let pipe = unsafe popen("exec 2>&1; \(command)", "re") else {
        throw SystemCallError(call: "popen", subject: command, errno: EAGAIN)
    }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = unsafe fread(&chunk, 1, chunk.count, pipe)
        guard count > 0 else { break }
        output += chunk.prefix(count)
    }
    let status = unsafe pclose(pipe)
    return CommandResult(output: String(decoding: output, as: UTF8.self), status: (status >> 8) & 0xFF)
}

/// Runs a bash script that uses `Lab/lab.sh`.
func labScript(_ script: String) throws -> CommandResult {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let quoted = ". '/\(root)/Lab/lab.sh'\n\(script)".split(separator: "'", omittingEmptySubsequences: false)
        .joined(separator: "'\\''")
    return try shell("LAB_WAN_BINARY='\(productsDirectory)/shadowmesh-wan' bash -c '\(quoted)' </dev/null")
}

/// Where the tests and the emulator were built to.
let productsDirectory: String = {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink("/proc/self/exe", &path, path.count)
    let text = String(decoding: path.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return "/" + text.split(separator: "/").dropLast().joined(separator: "/")
}()

/// Waits until `isTrue`, looking often; `false` after ten seconds, far longer than anything here takes.
func waitUntil(_ isTrue: () -> Bool) throws -> Bool {
    let deadline = BootClock.now().advanced(milliseconds: 10_000)
    var epoll = try Epoll()
    var events: [Epoll.Event] = []
    while !isTrue() {
        if BootClock.now() > deadline { return false }
        try epoll.wait(timeoutNanoseconds: 1_000_000, events: &events)
    }
    return true
}
