import MeshBase

/// An ARP packet for Ethernet and IP version 4 (RFC 826).
///
///     0       2       4     5     6    8       14       18      24       28
///     | htype | ptype | hln | pln | op | sha   | spa    | tha   | tpa    |
struct ARPPacket {
    static let byteCount = 28
    static let request: UInt16 = 1
    static let reply: UInt16 = 2
    /// Hardware type 1 and protocol type 0x0800, then lengths 6 and 4: the only packets looked at.
    private static let fixedFields: UInt64 = 0x0001_0800_0604

    let operation: UInt16
    let senderHardware: EthernetAddress
    let sender: UInt32
    let target: UInt32

    /// Reads the packet in `frame`; `nil` when it is none, is truncated, or is neither request nor reply.
    init?(_ frame: borrowing EthernetFrameView) {
        guard frame.etherType == EtherType.addressResolution, frame.payloadByteCount >= Self.byteCount else {
            return nil
        }
        let packet = frame.payload
        let front = packet.bigEndian(at: 0, as: UInt64.self)
        guard front >> 16 == Self.fixedFields else { return nil }
        operation = UInt16(truncatingIfNeeded: front)
        guard operation == Self.request || operation == Self.reply else { return nil }
        senderHardware = EthernetAddress(value: packet.bigEndian(at: 8, as: UInt64.self) >> 16)
        sender = packet.bigEndian(at: 14, as: UInt32.self)
        target = packet.bigEndian(at: 24, as: UInt32.self)
    }

    /// Whether it asks if an address is free, before taking it (RFC 5227 section 2.1.1).
    var isProbe: Bool { operation == Self.request && sender == 0 }

    /// Whether the sender speaks of itself (RFC 5227 section 2.3; "gratuitous").
    var isAnnouncement: Bool { sender == target }

    /// Whether the sender's address can belong to one host: not 0/8, not loopback, not multicast or above.
    var hasHostSender: Bool {
        let first = sender >> 24
        return first != 0 && first != 127 && first < 224
    }

    /// Writes to `reply` the frame in which `owner` answers this request, under the tags of `frame`.
    func writeAnswer(from owner: EthernetAddress, to frame: borrowing EthernetFrameView, into reply: inout [UInt8]) {
        AnswerFrame.writeHeader(from: owner, answering: frame, into: &reply)
        AnswerFrame.append(Self.fixedFields << 16 | UInt64(Self.reply), byteCount: 8, to: &reply)
        AnswerFrame.append(owner.value, byteCount: 6, to: &reply)
        AnswerFrame.append(UInt64(target), byteCount: 4, to: &reply)
        AnswerFrame.append(senderHardware.value, byteCount: 6, to: &reply)
        AnswerFrame.append(UInt64(sender), byteCount: 4, to: &reply)
        AnswerFrame.pad(&reply)
    }
}

/// The parts that both kinds of answer share.
enum AnswerFrame {
    /// The shortest frame without its check sequence (IEEE 802.3 section 4A.4.2).
    private static let byteCountMin = 60

    /// Starts `reply` with a header back to the sender of `frame`, with its tags and EtherType.
    static func writeHeader(
        from owner: EthernetAddress, answering frame: borrowing EthernetFrameView, into reply: inout [UInt8]
    ) {
        reply.removeAll(keepingCapacity: true)
        append(frame.source.value, byteCount: 6, to: &reply)
        append(owner.value, byteCount: 6, to: &reply)
        for offset in 12..<frame.payloadOffset { reply.append(frame.bytes.bigEndian(at: offset, as: UInt8.self)) }
    }

    /// Appends the low `byteCount` bytes of `value`, most significant first.
    static func append(_ value: UInt64, byteCount: UInt64, to reply: inout [UInt8]) {
        var shift = byteCount * 8
        while shift > 0 {
            shift -= 8
            reply.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Fills up with zeros to the shortest frame.
    static func pad(_ reply: inout [UInt8]) {
        while reply.count < byteCountMin { reply.append(0) }
    }
}
