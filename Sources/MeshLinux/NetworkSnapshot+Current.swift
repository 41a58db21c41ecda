internal import Glibc
public import MeshBase

extension NetworkSnapshot {
    /// Interfaces that are looked at: a host of containers has some hundreds.
    package static let interfacesMax = 4_096
    /// Addresses that are looked at, of all interfaces.
    package static let addressesMax = 4_096
    /// Tables that change while they are read are read again so often; then the last reading is taken as it is, since a
    /// further change will be announced.
    private static let attemptsMax = 4

    /// The interfaces of the calling thread's network namespace now; what exceeds the limits is left out.
    public static func current() throws(SystemCallError) -> NetworkSnapshot {
        let socket = try NetlinkSocket(isWatching: false)
        var builder = NetworkSnapshotBuilder()
        for _ in 0..<attemptsMax {
            builder = NetworkSnapshotBuilder()
            // `ifinfomsg` and `ifaddrmsg` of zeros: all families.
            let links = try socket.ask(
                type: NetlinkNumber.getLink, content: [UInt8](repeating: 0, count: 16), isDump: true
            ) { builder.add($0) }
            let addresses = try socket.ask(
                type: NetlinkNumber.getAddress, content: [UInt8](repeating: 0, count: 8), isDump: true
            ) { builder.add($0) }
            guard links || addresses else { break }
        }
        return builder.snapshot
    }
}

/// Puts the messages of two dumps together.
package struct NetworkSnapshotBuilder {
    private var interfaces: [UInt32: NetworkInterface] = [:]
    private var addressCount = 0

    /// Makes an empty builder.
    package init() {}

    /// Takes a message in; an address after the interface it is of.
    package mutating func add(_ message: NetlinkMessage) {
        switch message {
        case .link(let interface):
            guard interfaces.count < NetworkSnapshot.interfacesMax || interfaces[interface.index] != nil else { return }
            interfaces[interface.index] = interface
        case .address(let index, let address, let isUsable):
            guard isUsable, addressCount < NetworkSnapshot.addressesMax, interfaces[index] != nil else { return }
            interfaces[index]?.addresses.append(address)
            addressCount += 1
        case .route, .end, .other: break
        }
    }

    /// What the messages so far make.
    package var snapshot: NetworkSnapshot {
        NetworkSnapshot(interfaces: interfaces.values.sorted { $0.index < $1.index })
    }
}
