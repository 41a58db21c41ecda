package import MeshBase

/// A message of rtnetlink(7), as far as links, addresses and routes are concerned.
package enum NetlinkMessage: Hashable, Sendable {
    /// RTM_NEWLINK: an interface is there, its addresses not included.
    case link(NetworkInterface)
    /// RTM_NEWADDR: an interface has an address; only those that may be used have `isUsable`.
    case address(interfaceIndex: UInt32, NetworkInterface.Address, isUsable: Bool)
    /// RTM_NEWROUTE: where a datagram would go; `nil` when it would not go anywhere.
    case route(RouteLookup.Answer?)
    /// NLMSG_DONE or NLMSG_ERROR: the end of an answer, with the errno, 0 when all went well.
    case end(errno: CInt)
    /// Any other, such as RTM_DELLINK.
    case other(UInt16)
}
