internal import Glibc
public import MeshBase

/// Asks the kernel where a datagram to an address would go, in the calling thread's network namespace.
public enum RouteLookup {
    /// Where a datagram would go.
    public struct Answer: Hashable, Sendable {
        /// The interface it would leave by.
        public let interfaceIndex: UInt32
        /// Whether the address is one of this host.
        public let isLocal: Bool
        /// The address of this host that it would leave from; `nil`: the kernel did not tell.
        public let source: IPAddress?
        /// The router that it would be handed to; `nil`: the address is on the same network, or the router is of the other
        /// version of IP.
        public let gateway: IPAddress?

        /// Makes an answer.
        public init(
            interfaceIndex: UInt32, isLocal: Bool, source: IPAddress? = nil, gateway: IPAddress? = nil
        ) {
            self.interfaceIndex = interfaceIndex
            self.isLocal = isLocal
            self.source = source
            self.gateway = gateway
        }
    }

    /// The route to `address` of a datagram with `mark` (`SO_MARK`); `nil`: there is none.
    public static func route(to address: IPAddress, mark: UInt32? = nil) throws(SystemCallError) -> Answer? {
        // `rtmsg`: family, destination's prefix length, and ten bytes that a lookup leaves 0.
        let family = address.isVersion6 ? NetlinkNumber.familyVersion6 : NetlinkNumber.familyVersion4
        var content = [family, UInt8(address.bytes.count * 8)] + [UInt8](repeating: 0, count: 10)
        content.appendNetlinkAttribute(NetlinkNumber.routeDestination, address.bytes)
        if let mark {
            var value: [UInt8] = []
            value.appendHostOrder(mark)
            content.appendNetlinkAttribute(NetlinkNumber.routeMark, value)
        }
        var answer: Answer?
        do throws(SystemCallError) {
            let socket = try NetlinkSocket(isWatching: false)
            _ = try socket.ask(type: NetlinkNumber.getRoute, content: content, isDump: false) { message in
                if case .route(let route) = message { answer = route }
            }
        } catch {
            // What a missing, an unreachable, a prohibiting and a blackhole route are answered with (ip-route(8)).
            guard error.call == "rtnetlink", [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.errno) else {
                throw error
            }
            return nil
        }
        return answer
    }
}
