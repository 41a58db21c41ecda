import MeshBase

/// A neighbour solicitation or advertisement (RFC 4861 sections 4.3 and 4.4) that passed every check of section 7.1.
///
///     IPv6 header (40) | type 1 | code 1 | checksum 2 | flags 4 | target 16 | options
struct NeighborMessage {
    enum Kind: UInt8 {
        case solicitation = 135
        case advertisement = 136
    }

    /// Protocol number of ICMPv6 (RFC 4443).
    private static let controlMessage: UInt8 = 58
    private static let headerByteCount = 40
    /// The message without options.
    private static let byteCountMin = 24
    private static let routerFlag: UInt32 = 0x8000_0000
    private static let solicitedFlag: UInt32 = 0x4000_0000
    private static let overrideFlag: UInt32 = 0x2000_0000

    let kind: Kind
    let source: NetworkAddress
    let destination: NetworkAddress
    let target: NetworkAddress
    private let flags: UInt32
    /// The source (solicitation) or target (advertisement) link-layer address option.
    let linkLayerAddress: EthernetAddress?

    /// Reads the message in `frame`; `nil` when it is none or fails a check.
    init?(_ frame: borrowing EthernetFrameView) {
        guard frame.etherType == EtherType.internetVersion6 else { return nil }
        let packet = frame.payload
        guard packet.byteCount >= Self.headerByteCount + Self.byteCountMin,
            packet.bigEndian(at: 0, as: UInt8.self) >> 4 == 6,
            packet.bigEndian(at: 6, as: UInt8.self) == Self.controlMessage,
            packet.bigEndian(at: 7, as: UInt8.self) == 255,
            let kind = Kind(rawValue: packet.bigEndian(at: 40, as: UInt8.self)),
            packet.bigEndian(at: 41, as: UInt8.self) == 0
        else { return nil }
        let byteCount = Int(packet.bigEndian(at: 4, as: UInt16.self))
        guard byteCount >= Self.byteCountMin, packet.byteCount >= Self.headerByteCount + byteCount else { return nil }
        self.kind = kind
        source = NetworkAddress(packet, at: 8)
        destination = NetworkAddress(packet, at: 24)
        flags = packet.bigEndian(at: 44, as: UInt32.self)
        target = NetworkAddress(packet, at: 48)
        let message = packet.extracting(Self.headerByteCount..<Self.headerByteCount + byteCount)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: source, to: destination, byteCount: byteCount, next: Self.controlMessage)
        checksum.add(message)
        guard checksum.value == 0, !target.isMulticast, !source.isMulticast else { return nil }
        guard case .valid(let address) = Self.linkLayerOption(of: message, kind: kind) else { return nil }
        linkLayerAddress = address
        guard isConsistent else { return nil }
    }

    /// Whether it asks if the target is free, before taking it (RFC 4862 section 5.4).
    var isDuplicateAddressProbe: Bool { kind == .solicitation && source.isUnspecified }

    /// Whether the solicitation went to all who could have the target, not to one neighbour believed to be there.
    var isAddressedToGroup: Bool { destination == target.solicitedNode }

    /// Whether its sender is a router.
    var isRouter: Bool { flags & Self.routerFlag != 0 }

    /// Whether it may replace a cached address: clear for anycast and proxies (RFC 4861 sections 7.2.7 and 7.2.8).
    var isOverriding: Bool { flags & Self.overrideFlag != 0 }

    /// Writes to `reply` the advertisement in which `owner` answers this solicitation, under the tags of `frame`.
    ///
    /// Solicited, so that it confirms reachability; not overriding, as it speaks for another (RFC 4861 section 7.2.8): whatever
    /// the owner itself says replaces it at once.
    func writeAnswer(
        from owner: EthernetAddress, isRouter: Bool, to frame: borrowing EthernetFrameView, into reply: inout [UInt8]
    ) {
        let byteCount = Self.byteCountMin + 8
        let flags = Self.solicitedFlag | (isRouter ? Self.routerFlag : 0)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(from: target, to: source, byteCount: byteCount, next: Self.controlMessage)
        checksum.add(UInt64(Kind.advertisement.rawValue) << 8)
        for word in [UInt64(flags), target.high, target.low, Self.targetOption << 48 | owner.value] {
            checksum.add(word)
        }
        AnswerFrame.writeHeader(from: owner, answering: frame, into: &reply)
        AnswerFrame.append(0x6000_0000, byteCount: 4, to: &reply)
        AnswerFrame.append(UInt64(byteCount) << 16 | UInt64(Self.controlMessage) << 8 | 255, byteCount: 4, to: &reply)
        for word in [target.high, target.low, source.high, source.low] {
            AnswerFrame.append(word, byteCount: 8, to: &reply)
        }
        AnswerFrame.append(UInt64(Kind.advertisement.rawValue) << 8, byteCount: 2, to: &reply)
        AnswerFrame.append(UInt64(checksum.value), byteCount: 2, to: &reply)
        AnswerFrame.append(UInt64(flags), byteCount: 4, to: &reply)
        for word in [target.high, target.low, Self.targetOption << 48 | owner.value] {
            AnswerFrame.append(word, byteCount: 8, to: &reply)
        }
    }
}

extension NeighborMessage {
    /// Type 2 (target link-layer address) and length 1 unit of 8 bytes (RFC 4861 section 4.6.1).
    private static let targetOption: UInt64 = 0x0201

    private enum Options {
        case invalid
        case valid(EthernetAddress?)
    }

    /// Walks the options; each has a length in units of 8 bytes, which must not be 0 (RFC 4861 section 4.6).
    private static func linkLayerOption(of message: RawSpan, kind: Kind) -> Options {
        let wanted: UInt8 = kind == .solicitation ? 1 : 2
        var address: EthernetAddress?
        var offset = byteCountMin
        while offset < message.byteCount {
            guard message.byteCount - offset >= 8 else { return .invalid }
            let byteCount = Int(message.bigEndian(at: offset + 1, as: UInt8.self)) * 8
            guard byteCount > 0, byteCount <= message.byteCount - offset else { return .invalid }
            if message.bigEndian(at: offset, as: UInt8.self) == wanted, byteCount == 8 {
                address = EthernetAddress(value: message.bigEndian(at: offset, as: UInt64.self))
            }
            offset += byteCount
        }
        return .valid(address)
    }

    /// The checks of RFC 4861 section 7.1 that concern several fields.
    private var isConsistent: Bool {
        switch kind {
        case .solicitation:
            !source.isUnspecified || (isAddressedToGroup && linkLayerAddress == nil)
        case .advertisement:
            !source.isUnspecified && !(destination.isMulticast && flags & Self.solicitedFlag != 0)
        }
    }
}
