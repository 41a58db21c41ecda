internal import MeshBase

extension EthernetAddress {
    /// The address of a node's device unless one is configured: of local administration, for one host, and the same
    /// after each restart, so that the peers' neighbour caches stay right.
    init(derivedFrom id: PeerID) {
        // An ID is a hash: any 46 of its bits are as good as random.
        let value = id.bytes.prefix(Self.byteCount).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        self.init(value: value & ~0x0100_0000_0000 | 0x0200_0000_0000)
    }
}
