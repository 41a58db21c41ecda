/// A mesh port of the switch: the link to one peer.
///
/// Small and dense, so that a port's state is found by indexing: 0 up to, not including, `EthernetSwitch.portsMax`.
public struct PortIndex: Hashable, Sendable {
    /// The number of the port.
    public let value: Int

    /// Makes a port index of `value`.
    public init(value: Int) { self.value = value }
}

/// Where an address lives: behind the TAP of this node, or behind one mesh port.
package struct Place: Hashable, Sendable {
    /// -1 for the local port, otherwise the number of the mesh port.
    private let number: Int32

    /// Behind the TAP of this node.
    package static let local = Place(number: -1)

    private init(number: Int32) { self.number = number }

    /// Behind the peer at `port`, which must be below `EthernetSwitch.portsMax`.
    package init(_ port: PortIndex) { number = Int32(port.value) }

    /// The mesh port; `nil` for the local port.
    package var port: PortIndex? { number < 0 ? nil : PortIndex(value: Int(number)) }
}
