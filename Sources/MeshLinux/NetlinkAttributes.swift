internal import MeshBase

/// Walks the attributes of a netlink message.
///
///     | length (2), header included | type (2), two flag bits first | value, padded to 4 bytes | ...
///
/// Source: `struct nlattr` of linux/netlink.h.
struct NetlinkAttributes: ~Escapable {
    /// Where the value of an attribute lies in the message's content.
    struct Attribute {
        let type: UInt16
        let offset: Int
        let byteCount: Int
    }

    private let content: RawSpan
    private var offset: Int

    @_lifetime(copy content)
    init(_ content: RawSpan, from offset: Int) {
        self.content = content
        self.offset = offset
    }

    /// The next attribute; `nil` after the last.
    mutating func next() throws(NetlinkMessages.Malformation) -> Attribute? {
        guard offset < content.byteCount else { return nil }
        guard content.byteCount - offset >= 4 else { throw .lengthWrong }
        let length = Int(content.hostOrder(at: offset, as: UInt16.self))
        guard length >= 4, length <= content.byteCount - offset else { throw .lengthWrong }
        let type = content.hostOrder(at: offset + 2, as: UInt16.self) & 0x3FFF
        let attribute = Attribute(type: type, offset: offset + 4, byteCount: length - 4)
        offset += (length + 3) & ~3
        return attribute
    }
}

extension RawSpan {
    /// Loads an integer of this host's byte order; traps when it does not fit, so check the length first.
    func hostOrder<Integer: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Integer.Type) -> Integer {
        // What was turned round on loading is turned round again.
        bigEndian(at: offset, as: type).bigEndian
    }
}
