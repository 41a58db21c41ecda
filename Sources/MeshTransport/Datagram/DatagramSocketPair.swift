import Glibc
import MeshBase
import MeshLinux

/// A bound socket that a class may hold.
final class BoundDatagramSocket: SegmentSocket {
    let socket: DatagramSocket
    var localPort: UInt16 { socket.localPort }
    var segmentDescriptor: CInt { socket.number }

    init(_ socket: consuming DatagramSocket) { self.socket = socket }
}

/// The sockets of a port.
struct DatagramSocketPair: Sendable {
    /// A port that the kernel chose for version 4 may be taken for version 6: a few more choices find a free one, unless
    /// nearly all are taken, and then two ports must do.
    private static let attemptsMax = 8

    let version4: BoundDatagramSocket?
    let version6: BoundDatagramSocket?

    static func bind(_ options: DatagramPort.Options) throws(TransportError) -> DatagramSocketPair {
        guard let first = try version4(options, port: options.port) else {
            guard let only = try version6(options, port: options.port) else {
                throw .failed("this host has neither IPv4 nor IPv6; check its kernel's configuration")
            }
            return DatagramSocketPair(version4: nil, version6: only)
        }
        // Sockets whose port was taken are held on to, so that the kernel chooses another one.
        var choices = [first]
        for _ in 0..<Self.attemptsMax {
            let latest = choices[choices.count - 1]
            do throws(TransportError) {
                return DatagramSocketPair(
                    version4: latest, version6: try version6(options, port: latest.localPort))
            } catch .portInUse where options.port == 0 {
                if let next = try version4(options, port: 0) { choices.append(next) }
            }
        }
        return DatagramSocketPair(version4: first, version6: try version6(options, port: 0))
    }

    /// At most `countMax` further pairs on the same ports: each sender's datagrams come by one of all pairs. Fewer, or none,
    /// where the kernel refuses.
    func sharing(_ options: DatagramPort.Options, countMax: Int) -> [DatagramSocketPair] {
        guard countMax > 0, (try? version4?.socket.sharePort()) != nil || version4 == nil,
            (try? version6?.socket.sharePort()) != nil || version6 == nil
        else { return [] }
        var result: [DatagramSocketPair] = []
        while result.count < countMax {
            let next = DatagramSocketPair(
                version4: version4.flatMap { Self.sharing($0, options) },
                version6: version6.flatMap { Self.sharing($0, options) })
            // Whatever comes by a socket that nobody reads is lost: both or none.
            guard (next.version4 != nil) == (version4 != nil), (next.version6 != nil) == (version6 != nil) else {
                break
            }
            result.append(next)
        }
        return result
    }

    private static func sharing(
        _ first: BoundDatagramSocket, _ options: DatagramPort.Options
    ) -> BoundDatagramSocket? {
        do throws(SystemCallError) {
            return BoundDatagramSocket(
                try DatagramSocket(
                    isVersion6: first.socket.isVersion6, port: first.localPort, mark: options.mark,
                    bufferByteCount: options.bufferByteCount, sharesPort: true))
        } catch { return nil }
    }

    private static func version4(
        _ options: DatagramPort.Options, port: UInt16
    ) throws(TransportError) -> BoundDatagramSocket? {
        try bind(options, isVersion6: false, port: port)
    }

    private static func version6(
        _ options: DatagramPort.Options, port: UInt16
    ) throws(TransportError) -> BoundDatagramSocket? {
        try bind(options, isVersion6: true, port: port)
    }

    /// `nil`: the host does not have the address family.
    private static func bind(
        _ options: DatagramPort.Options, isVersion6: Bool, port: UInt16
    ) throws(TransportError) -> BoundDatagramSocket? {
        do throws(SystemCallError) {
            let socket = try DatagramSocket(
                isVersion6: isVersion6, port: port, mark: options.mark, bufferByteCount: options.bufferByteCount)
            return BoundDatagramSocket(socket)
        } catch {
            let anyAddress = IPAddress(bytes: [UInt8](repeating: 0, count: isVersion6 ? 16 : 4))
            let endpoint = anyAddress.map { Endpoint(address: $0, port: port) }
            switch (error.errno, endpoint) {
            case (EAFNOSUPPORT, _), (EADDRNOTAVAIL, _): return nil
            case (EADDRINUSE, let endpoint?): throw .portInUse(endpoint)
            case (EACCES, let endpoint?) where error.call == "bind": throw .portNotPermitted(endpoint)
            default: throw .failed(error.description)
            }
        }
    }
}
