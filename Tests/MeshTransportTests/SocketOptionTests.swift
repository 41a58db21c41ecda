import Foundation
import Glibc
import MeshBase
import MeshTransport
import NIOCore
import Testing

/// The sockets as the kernel sees them.
@Suite(.timeLimit(.minutes(1))) struct SocketOptionTests {
    /// The number of this process's TCP socket from one endpoint to another.
    private func socket(from local: Endpoint, to remote: Endpoint) -> CInt? {
        (3..<4_096 as Range<CInt>).first { number in
            // SAFETY: both functions are called as their manual pages say, below.
            unsafe port(number, getsockname) == local.port && port(number, getpeername) == remote.port
        }
    }

    private typealias AddressCall = (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt

    /// The port of one end of an IPv4 socket.
    private func port(_ number: CInt, _ call: AddressCall) -> UInt16? {
        var address = sockaddr_in()
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        // SAFETY: the kernel writes at most the bytes of a local variable.
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call(number, $0, &byteCount) }
        }
        guard result == 0, address.sin_family == sa_family_t(AF_INET) else { return nil }
        return UInt16(bigEndian: address.sin_port)
    }

    private func option(_ name: CInt, of number: CInt) -> CInt? {
        var value: CInt = 0
        var byteCount = socklen_t(MemoryLayout<CInt>.size)
        // SAFETY: the kernel writes at most the four bytes of a local variable.
        let result = unsafe getsockopt(number, CInt(IPPROTO_TCP), name, &value, &byteCount)
        return result == 0 ? value : nil
    }

    /// The congestion control of a socket.
    private func congestionControl(of number: CInt) -> String? {
        var name = [UInt8](repeating: 0, count: 16)
        var byteCount = socklen_t(name.count)
        // SAFETY: the kernel writes at most the bytes of a local array. linux/tcp.h: TCP_CONGESTION is 13.
        let result = unsafe getsockopt(number, CInt(IPPROTO_TCP), 13, &name, &byteCount)
        return result == 0 ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : nil
    }

    @Test func bothEndsUseCubicWhereTheyMay() async throws {
        let allowed = try String(contentsOfFile: "/proc/sys/net/ipv4/tcp_allowed_congestion_control", encoding: .utf8)
        try await withLab { lab in
            let client = try await lab.connect(Recorder())
            let server = try await lab.recorder.connection()
            for connection in [client, server] {
                let number = try #require(socket(from: connection.localEndpoint, to: connection.remoteEndpoint))
                let name = try #require(congestionControl(of: number))
                // Root may choose what is not allowed to others.
                #expect(name == "cubic" || geteuid() != 0 && !allowed.contains("cubic"), "\(name)")
            }
        }
    }

    @Test func bothEndsHoldBackWhatTheKernelHasNotSent() async throws {
        try await withLab { lab in
            let client = try await lab.connect(Recorder())
            let server = try await lab.recorder.connection()
            for connection in [client, server] {
                let number = try #require(socket(from: connection.localEndpoint, to: connection.remoteEndpoint))
                // linux/tcp.h: TCP_NOTSENT_LOWAT is 25, TCP_USER_TIMEOUT 18, TCP_NODELAY 1.
                #expect(option(25, of: number) == 64 << 10)
                #expect(option(18, of: number) == 15_000)
                #expect(option(1, of: number) == 1)
            }
        }
    }
}
