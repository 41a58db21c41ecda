internal import Glibc

/// Numbers of linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h and if.h.
enum NetlinkNumber {
    static let headerByteCount = 16
    /// NLM_F_DUMP_INTR.
    static let dumpInterrupted: UInt16 = 0x10
    /// NLM_F_REQUEST.
    static let request: UInt16 = 0x01
    /// NLM_F_DUMP.
    static let dump: UInt16 = 0x300

    /// NLMSG_ERROR.
    static let error: UInt16 = 2
    /// NLMSG_DONE.
    static let done: UInt16 = 3
    /// RTM_NEWLINK and RTM_GETLINK.
    static let newLink: UInt16 = 16
    static let getLink: UInt16 = 18
    /// RTM_NEWADDR and RTM_GETADDR.
    static let newAddress: UInt16 = 20
    static let getAddress: UInt16 = 22
    /// RTM_NEWROUTE and RTM_GETROUTE.
    static let newRoute: UInt16 = 24
    static let getRoute: UInt16 = 26

    /// AF_INET and AF_INET6.
    static let familyVersion4 = UInt8(AF_INET)
    static let familyVersion6 = UInt8(AF_INET6)

    /// IFF_UP, IFF_LOOPBACK, IFF_POINTOPOINT, IFF_RUNNING.
    static let interfaceUp: UInt32 = 0x01
    static let interfaceLoopback: UInt32 = 0x08
    static let interfacePointToPoint: UInt32 = 0x10
    static let interfaceRunning: UInt32 = 0x40
    /// IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINK_NETNSID.
    static let linkName: UInt16 = 3
    static let linkParent: UInt16 = 5
    static let linkMaster: UInt16 = 10
    static let linkParentNamespace: UInt16 = 37

    /// IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS.
    static let address: UInt16 = 1
    static let addressLocal: UInt16 = 2
    static let addressFlags: UInt16 = 8
    /// IFA_F_TEMPORARY.
    static let addressTemporary: UInt32 = 0x01
    /// IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE.
    static let addressUnusable: UInt32 = 0x08 | 0x20 | 0x40

    /// RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MARK.
    static let routeDestination: UInt16 = 1
    static let routeOutput: UInt16 = 4
    static let routeGateway: UInt16 = 5
    static let routeMark: UInt16 = 16
    /// RTA_PREFSRC.
    static let routeSource: UInt16 = 7
    /// RTN_UNICAST, RTN_LOCAL.
    static let routeUnicast: UInt8 = 1
    static let routeLocal: UInt8 = 2
}
