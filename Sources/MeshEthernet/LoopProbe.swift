package import MeshBase

/// The frame by which a node finds out that its LAN is linked to the mesh a second time.
///
///     0             6        12       14      18        19      20         22
///     | destination | source | 0x88B5 | magic | version | flags | reserved |
///     22                30            34                38                    46          54      60
///     | sender's number | sender port | port generation | sent, milliseconds | token (8) | padding |
///
/// All big-endian. It goes out untagged, so it finds loops of the untagged network only.
package struct LoopProbe: Equatable, Sendable {
    /// A group address that bridges forward (locally administered; not 01:80:C2, which they keep for themselves).
    package static let group = EthernetAddress(value: 0x0353_4D4C_5001)
    /// "SMLP", as others may use the experimental EtherType too.
    static let magic: UInt32 = 0x534D_4C50
    static let version: UInt8 = 1
    /// Without padding.
    static let byteCountMin = 54
    /// The shortest frame that Ethernet knows, without its check sequence.
    package static let byteCount = 60
    private static let blockedFlag: UInt8 = 1

    /// The sender's random number for the life of its process; lower ones take precedence.
    package var sender: UInt64
    /// Whether the sender's own TAP is blocked.
    package var isSenderBlocked: Bool
    /// The sender's port to which it was sent.
    package var port: UInt32
    /// How often that port had been added.
    package var generation: UInt32
    /// Milliseconds from the sender's first probe to this one.
    package var sentMilliseconds: UInt64
    /// Proves to the sender that it sent exactly this.
    package var token: UInt64

    /// Makes a probe of its fields.
    package init(
        sender: UInt64, isSenderBlocked: Bool, port: UInt32, generation: UInt32, sentMilliseconds: UInt64, token: UInt64
    ) {
        self.sender = sender
        self.isSenderBlocked = isSenderBlocked
        self.port = port
        self.generation = generation
        self.sentMilliseconds = sentMilliseconds
        self.token = token
    }

    /// Reads the probe in `frame`; `nil` when it is none. Bytes behind the token are ignored.
    package init?(_ frame: borrowing EthernetFrameView) {
        guard frame.etherType == EtherType.loopProbe, frame.destination == Self.group, frame.outerVLAN == nil,
            frame.bytes.byteCount >= Self.byteCountMin, frame.bytes.bigEndian(at: 14, as: UInt32.self) == Self.magic,
            frame.bytes.bigEndian(at: 18, as: UInt8.self) == Self.version
        else { return nil }
        sender = frame.bytes.bigEndian(at: 22, as: UInt64.self)
        isSenderBlocked = frame.bytes.bigEndian(at: 19, as: UInt8.self) & Self.blockedFlag != 0
        port = frame.bytes.bigEndian(at: 30, as: UInt32.self)
        generation = frame.bytes.bigEndian(at: 34, as: UInt32.self)
        sentMilliseconds = frame.bytes.bigEndian(at: 38, as: UInt64.self)
        token = frame.bytes.bigEndian(at: 46, as: UInt64.self)
    }

    /// The whole frame, 60 bytes.
    package func frame() -> [UInt8] {
        // A unicast, locally administered source of its own: with the TAP's address a bridge would learn that at a wrong port.
        let source = (sender & 0xFCFF_FFFF_FFFF) | 0x0200_0000_0000
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        AnswerFrame.append(Self.group.value, byteCount: 6, to: &bytes)
        AnswerFrame.append(source, byteCount: 6, to: &bytes)
        AnswerFrame.append(UInt64(EtherType.loopProbe), byteCount: 2, to: &bytes)
        AnswerFrame.append(UInt64(Self.magic), byteCount: 4, to: &bytes)
        AnswerFrame.append(UInt64(Self.version), byteCount: 1, to: &bytes)
        AnswerFrame.append(UInt64(isSenderBlocked ? Self.blockedFlag : 0), byteCount: 1, to: &bytes)
        AnswerFrame.append(0, byteCount: 2, to: &bytes)
        AnswerFrame.append(sender, byteCount: 8, to: &bytes)
        AnswerFrame.append(UInt64(port), byteCount: 4, to: &bytes)
        AnswerFrame.append(UInt64(generation), byteCount: 4, to: &bytes)
        AnswerFrame.append(sentMilliseconds, byteCount: 8, to: &bytes)
        AnswerFrame.append(token, byteCount: 8, to: &bytes)
        AnswerFrame.pad(&bytes)
        return bytes
    }
}
