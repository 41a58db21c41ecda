import MeshBase

extension EthernetSwitch {
    /// Notes what ARP and neighbour discovery in `frame` say about whose address is whose.
    ///
    /// Only what a station says of itself from its own hardware address counts.
    mutating func snoop(_ frame: borrowing EthernetFrameView, from place: Place, at now: Instant) {
        switch frame.etherType {
        case EtherType.addressResolution:
            guard let packet = ARPPacket(frame) else { return }
            snoop(packet, sentBy: frame.source, vlan: frame.vlanKey, from: place, at: now)
        case EtherType.internetVersion6:
            guard let message = NeighborMessage(frame) else { return }
            snoop(message, sentBy: frame.source, vlan: frame.vlanKey, from: place, at: now)
        default: return
        }
    }

    private mutating func snoop(
        _ packet: ARPPacket, sentBy source: EthernetAddress, vlan: UInt32, from place: Place, at now: Instant
    ) {
        if packet.isProbe {
            bindings.remove(.init(address: NetworkAddress(version4: packet.target), vlan: vlan))
        } else if packet.hasHostSender, packet.senderHardware == source {
            let key = BindingTable.Key(address: NetworkAddress(version4: packet.sender), vlan: vlan)
            bindings.claim(key, by: source, at: place, isRouter: false, now: now)
        }
    }

    private mutating func snoop(
        _ message: NeighborMessage, sentBy source: EthernetAddress, vlan: UInt32, from place: Place, at now: Instant
    ) {
        switch message.kind {
        case .solicitation:
            if message.isDuplicateAddressProbe {
                bindings.remove(.init(address: message.target, vlan: vlan))
            } else if message.linkLayerAddress == source {
                let key = BindingTable.Key(address: message.source, vlan: vlan)
                bindings.claim(key, by: source, at: place, isRouter: nil, now: now)
            }
        case .advertisement:
            guard message.isOverriding, message.linkLayerAddress == source else { return }
            let key = BindingTable.Key(address: message.target, vlan: vlan)
            bindings.claim(key, by: source, at: place, isRouter: message.isRouter, now: now)
        }
    }

    /// Answers the question in `frame`, from the TAP, if it is one and the answer is known.
    ///
    /// Never a probe for duplicates or an announcement, which are meant for the owner of the address; never a unicast question, by
    /// which a host asks whether that very neighbour is still there; and only for an owner that is known to live at a peer.
    ///
    /// - Returns: `true` when the answer is in `reply`.
    func answer(_ frame: borrowing EthernetFrameView, at now: Instant, into reply: inout [UInt8]) -> Bool {
        guard frame.destination.isGroup else { return false }
        if let packet = ARPPacket(frame) {
            guard packet.operation == ARPPacket.request, packet.hasHostSender, !packet.isAnnouncement,
                packet.senderHardware == frame.source,
                let owner = owner(of: NetworkAddress(version4: packet.target), asked: frame, at: now)
            else { return false }
            packet.writeAnswer(from: owner.hardwareAddress, to: frame, into: &reply)
            return true
        }
        guard let message = NeighborMessage(frame), message.kind == .solicitation,
            !message.isDuplicateAddressProbe, message.isAddressedToGroup, message.linkLayerAddress == frame.source,
            message.source != message.target, let owner = owner(of: message.target, asked: frame, at: now)
        else { return false }
        message.writeAnswer(from: owner.hardwareAddress, isRouter: owner.isRouter, to: frame, into: &reply)
        return true
    }

    private func owner(
        of address: NetworkAddress, asked frame: borrowing EthernetFrameView, at now: Instant
    ) -> BindingTable.Binding? {
        guard let binding = bindings.answer(for: .init(address: address, vlan: frame.vlanKey), at: now),
            binding.hardwareAddress != frame.source,
            table.locate(binding.hardwareAddress, at: now) == binding.place
        else { return nil }
        return binding
    }
}
