internal import MeshBase

/// The messages of one read of a netlink socket.
package struct NetlinkMessages: Hashable, Sendable {
    /// Why bytes are not netlink messages.
    package enum Malformation: Error, Hashable, Sendable {
        /// A length field reaches beyond the bytes, or is shorter than what it counts.
        case lengthWrong
        /// A message or an attribute is shorter than its type demands, or an address has a wrong length.
        case contentWrong
    }

    /// The messages, in their order.
    package private(set) var messages: [NetlinkMessage] = []
    /// Whether the table changed while it was read (NLM_F_DUMP_INTR), so that the answer may be inconsistent.
    package private(set) var isInterrupted = false

    /// Parses what one read returned.
    ///
    ///     | length (4) | type (2) | flags (2) | sequence (4) | port ID (4) | content, padded to 4 bytes | ...
    ///
    /// All numbers in host order. Source: linux/netlink.h, netlink(7).
    package init(parsing bytes: RawSpan) throws(Malformation) {
        var offset = 0
        while offset < bytes.byteCount {
            guard bytes.byteCount - offset >= NetlinkNumber.headerByteCount else { throw .lengthWrong }
            let length = Int(bytes.hostOrder(at: offset, as: UInt32.self))
            guard length >= NetlinkNumber.headerByteCount, length <= bytes.byteCount - offset else {
                throw .lengthWrong
            }
            let flags = bytes.hostOrder(at: offset + 6, as: UInt16.self)
            if flags & NetlinkNumber.dumpInterrupted != 0 { isInterrupted = true }
            let type = bytes.hostOrder(at: offset + 4, as: UInt16.self)
            let content = bytes.extracting(offset + NetlinkNumber.headerByteCount..<offset + length)
            if let message = try Self.message(type, content) { messages.append(message) }
            // The last message may lack its padding.
            offset += (length + 3) & ~3
        }
    }

    private static func message(_ type: UInt16, _ content: RawSpan) throws(Malformation) -> NetlinkMessage? {
        switch type {
        case NetlinkNumber.newLink: return .link(try link(content))
        case NetlinkNumber.newAddress: return try address(content)
        case NetlinkNumber.newRoute: return .route(try route(content))
        case NetlinkNumber.done, NetlinkNumber.error:
            // Both start with a negated errno; the end of a dump may lack it.
            guard content.byteCount >= 4 else { return .end(errno: 0) }
            let code = content.hostOrder(at: 0, as: Int32.self)
            return .end(errno: code < 0 && code != .min ? -code : 0)
        default: return .other(type)
        }
    }

    /// `ifinfomsg`: family (1), 0 (1), hardware type (2), index (4), flags (4), change mask (4), attributes.
    private static func link(_ content: RawSpan) throws(Malformation) -> NetworkInterface {
        guard content.byteCount >= 16 else { throw .contentWrong }
        let flags = content.hostOrder(at: 8, as: UInt32.self)
        let neededFlags = NetlinkNumber.interfaceUp | NetlinkNumber.interfaceRunning
        var result = NetworkInterface(
            index: content.hostOrder(at: 4, as: UInt32.self), name: "", isUp: flags & neededFlags == neededFlags,
            isLoopback: flags & NetlinkNumber.interfaceLoopback != 0,
            isPointToPoint: flags & NetlinkNumber.interfacePointToPoint != 0)
        var isParentElsewhere = false
        var attributes = NetlinkAttributes(content, from: 16)
        while let attribute = try attributes.next() {
            switch attribute.type {
            case NetlinkNumber.linkName: result.name = try text(content, attribute)
            case NetlinkNumber.linkMaster: result.masterIndex = try number(content, attribute)
            case NetlinkNumber.linkParent: result.parentIndex = try number(content, attribute)
            case NetlinkNumber.linkParentNamespace: isParentElsewhere = true
            default: break
            }
        }
        if isParentElsewhere { result.parentIndex = nil }
        return result
    }

    /// `ifaddrmsg`: family (1), prefix length (1), flags (1), scope (1), interface index (4), attributes.
    private static func address(_ content: RawSpan) throws(Malformation) -> NetlinkMessage? {
        guard content.byteCount >= 8 else { throw .contentWrong }
        let family = content.hostOrder(at: 0, as: UInt8.self)
        guard family == NetlinkNumber.familyVersion4 || family == NetlinkNumber.familyVersion6 else { return nil }
        var flags = UInt32(content.hostOrder(at: 2, as: UInt8.self))
        var shown: IPAddress?
        var local: IPAddress?
        var attributes = NetlinkAttributes(content, from: 8)
        while let attribute = try attributes.next() {
            switch attribute.type {
            case NetlinkNumber.address: shown = try ipAddress(content, attribute)
            case NetlinkNumber.addressLocal: local = try ipAddress(content, attribute)
            case NetlinkNumber.addressFlags: flags = try number(content, attribute)
            default: break
            }
        }
        // Where both are there, IFA_ADDRESS is the other end's of a point-to-point link (linux/if_addr.h).
        let prefixLength = content.hostOrder(at: 1, as: UInt8.self)
        guard let own = local ?? shown, own.isVersion6 == (family == NetlinkNumber.familyVersion6),
            let address = InterfaceAddress(address: own, prefixLength: prefixLength)
        else { throw .contentWrong }
        let isVersion6 = own.isVersion6
        // For version 4 the bit of "temporary" means "secondary".
        let entry = NetworkInterface.Address(
            address, isTemporary: isVersion6 && flags & NetlinkNumber.addressTemporary != 0)
        return .address(
            interfaceIndex: content.hostOrder(at: 4, as: UInt32.self), entry,
            isUsable: !isVersion6 || flags & NetlinkNumber.addressUnusable == 0)
    }

    /// `rtmsg`: family, destination and source prefix, service, table, protocol, scope, type (1 each), flags (4),
    /// attributes.
    private static func route(_ content: RawSpan) throws(Malformation) -> RouteLookup.Answer? {
        guard content.byteCount >= 12 else { throw .contentWrong }
        let type = content.hostOrder(at: 7, as: UInt8.self)
        var index: UInt32?
        var source: IPAddress?
        var gateway: IPAddress?
        var attributes = NetlinkAttributes(content, from: 12)
        while let attribute = try attributes.next() {
            switch attribute.type {
            case NetlinkNumber.routeOutput: index = try number(content, attribute)
            case NetlinkNumber.routeSource: source = try ipAddress(content, attribute)
            case NetlinkNumber.routeGateway: gateway = try ipAddress(content, attribute)
            default: break
            }
        }
        guard let index, type == NetlinkNumber.routeUnicast || type == NetlinkNumber.routeLocal else { return nil }
        return RouteLookup.Answer(
            interfaceIndex: index, isLocal: type == NetlinkNumber.routeLocal, source: source, gateway: gateway)
    }

    private static func number(
        _ content: RawSpan, _ attribute: NetlinkAttributes.Attribute
    ) throws(Malformation) -> UInt32 {
        guard attribute.byteCount == 4 else { throw .contentWrong }
        return content.hostOrder(at: attribute.offset, as: UInt32.self)
    }

    private static func ipAddress(
        _ content: RawSpan, _ attribute: NetlinkAttributes.Attribute
    ) throws(Malformation) -> IPAddress {
        guard let address = IPAddress(bytes: bytes(content, attribute)) else { throw .contentWrong }
        return address
    }

    /// A name, at most 15 bytes and a NUL (IFNAMSIZ).
    private static func text(
        _ content: RawSpan, _ attribute: NetlinkAttributes.Attribute
    ) throws(Malformation) -> String {
        guard (2...16).contains(attribute.byteCount) else { throw .contentWrong }
        return String(decoding: bytes(content, attribute).prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func bytes(_ content: RawSpan, _ attribute: NetlinkAttributes.Attribute) -> [UInt8] {
        var result: [UInt8] = []
        for index in 0..<attribute.byteCount {
            result.append(content.hostOrder(at: attribute.offset + index, as: UInt8.self))
        }
        return result
    }
}
