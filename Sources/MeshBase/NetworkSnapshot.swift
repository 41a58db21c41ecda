/// The network interfaces of this host at one moment, in the order of their indices.
public struct NetworkSnapshot: Hashable, Sendable {
    /// The interfaces.
    public var interfaces: [NetworkInterface]

    /// Makes a snapshot.
    public init(interfaces: [NetworkInterface] = []) { self.interfaces = interfaces }

    /// Whether what leaves by the interface `index` comes out in the overlay: it is the TAP named `tapName`, a bridge
    /// the TAP is a port of, or stacked on one of them.
    public func leadsIntoTap(interfaceIndex index: UInt32, tapName: String) -> Bool {
        tapSide(of: tapName).contains(index)
    }

    /// The subnets of the TAP and of all that leads into it: their addresses are inside the overlay.
    public func overlayPrefixes(tapName: String) -> [InterfaceAddress] {
        let tapSide = tapSide(of: tapName)
        return interfaces.filter { tapSide.contains($0.index) }.flatMap { $0.addresses.map(\.address) }
    }

    /// The addresses of all interfaces that are up.
    public var addresses: Set<IPAddress> {
        Set(interfaces.filter(\.isUp).flatMap { $0.addresses.map(\.address.address) })
    }

    /// Whether an interface that is up has the address.
    public func holds(_ address: IPAddress) -> Bool {
        interfaces.contains { $0.isUp && $0.addresses.contains { $0.address.address == address } }
    }

    /// Whether the interface `index` is up and has the address.
    public func holds(_ address: IPAddress, interfaceIndex index: UInt32) -> Bool {
        interfaces.contains { $0.index == index && $0.isUp && $0.addresses.contains { $0.address.address == address } }
    }

    /// The addresses at which other hosts may try to reach this one, each once, temporary ones (RFC 8981) first of an
    /// interface's.
    ///
    /// Left out are: interfaces that are down or loopback; the TAP, a bridge the TAP is a port of, and what is stacked
    /// on them; addresses of which no other host can make use (loopback, multicast, link-local and the like); and
    /// addresses inside one of `overlayPrefixes`.
    public func candidateAddresses(tapName: String, overlayPrefixes: [InterfaceAddress]) -> [IPAddress] {
        let tapSide = tapSide(of: tapName)
        var result: [IPAddress] = []
        var seen: Set<IPAddress> = []
        for interface in interfaces where interface.isUp && !interface.isLoopback {
            guard !tapSide.contains(interface.index) else { continue }
            let temporary = interface.addresses.filter(\.isTemporary)
            for entry in temporary + interface.addresses.filter({ !$0.isTemporary }) {
                let address = entry.address.address
                guard address.isReachableFromOtherHosts, !overlayPrefixes.contains(where: { $0.contains(address) }),
                    seen.insert(address).inserted
                else { continue }
                result.append(address)
            }
        }
        return result
    }

    /// The TAP and all that leads into it, by index.
    ///
    /// A port beside the TAP in its bridge is not on that side: it is where the bridge's frames leave the overlay, and
    /// a VLAN on it may be an uplink.
    private func tapSide(of tapName: String) -> Set<UInt32> {
        var result = Set(interfaces.filter { $0.name == tapName }.map(\.index))
        // Each round that goes on adds an interface: as many rounds at most.
        var countBefore = -1
        while result.count != countBefore {
            countBefore = result.count
            for interface in interfaces {
                if result.contains(interface.index), let master = interface.masterIndex { result.insert(master) }
                if let parent = interface.parentIndex, result.contains(parent) { result.insert(interface.index) }
            }
        }
        return result
    }
}

extension InterfaceAddress {
    /// Whether `other` is inside this address's subnet.
    public func contains(_ other: IPAddress) -> Bool {
        guard other.isVersion6 == address.isVersion6 else { return false }
        let wholeBytes = Int(prefixLength) / 8
        guard address.bytes.prefix(wholeBytes) == other.bytes.prefix(wholeBytes) else { return false }
        let bits = prefixLength % 8
        guard bits > 0 else { return true }
        return (address.bytes[wholeBytes] ^ other.bytes[wholeBytes]) >> (8 - bits) == 0
    }
}

extension IPAddress {
    /// Whether the address can be that of a host elsewhere: neither unspecified, loopback, link-local, multicast nor
    /// reserved, and of version 6 no mapped one (RFC 6890 sections 2.2.2 and 2.2.3).
    public var isReachableFromOtherHosts: Bool {
        if !isVersion6 {
            // 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, and from 224.0.0.0 on multicast and reserved ones.
            return bytes[0] != 0 && bytes[0] != 127 && !bytes.starts(with: [169, 254]) && bytes[0] < 224
        }
        // ::/96 with :: and ::1, ::ffff:0:0/96, fe80::/10, ff00::/8.
        let isSpecial = bytes.prefix(10).allSatisfy { $0 == 0 } && (bytes[10] == bytes[11]) && (bytes[10] &+ 1) < 2
        return !isSpecial && bytes[0] != 0xFF && !(bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80)
    }
}
