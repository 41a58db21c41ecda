internal import CMeshLinux
public import MeshBase

/// Datagrams of one address family that wait for one system call; allocated once and used again.
public struct DatagramBatch: Sendable {
    /// Datagrams a batch holds: what one call of the kernel is handed at most.
    public static let datagramCountMax = Int(CMESH_DATAGRAM_BATCH_MAX)
    /// Bytes of the longest datagram: those of one on an Ethernet with MTU 1,500, with room for a larger MTU.
    public static let datagramByteCountMax = 2_047

    /// How many datagrams wait.
    public var count: Int { datagrams.count }
    /// Whether no further datagram fits.
    public var isFull: Bool { datagrams.count == Self.datagramCountMax }

    var bytes: [UInt8]
    var datagrams: [cmesh_datagram] = []
    private var usedByteCount = 0

    /// Makes an empty batch with all the memory it will have, 128 KiB.
    public init() {
        bytes = [UInt8](repeating: 0, count: Self.datagramCountMax * Self.datagramByteCountMax)
        datagrams.reserveCapacity(Self.datagramCountMax)
    }

    /// Copies a datagram into the batch; `false` when the batch is full or the datagram too long.
    public mutating func append(_ datagram: RawSpan, to endpoint: Endpoint) -> Bool {
        guard !isFull, datagram.byteCount <= Self.datagramByteCountMax else { return false }
        var entry = cmesh_datagram()
        (entry.address_high, entry.address_low) = endpoint.address.words
        let offset = usedByteCount
        // The whole memory is `datagramCountMax` times the longest datagram: it fits an offset of 32 bits.
        entry.offset = UInt32(offset)
        entry.byte_count = UInt16(datagram.byteCount)
        entry.port = endpoint.port
        var span = bytes.mutableSpan
        var target = span.mutableRawBytes
        target.store(datagram, at: offset)
        usedByteCount = offset + datagram.byteCount
        datagrams.append(entry)
        return true
    }

    /// Where the datagram at `index` goes, and its byte count.
    func destination(of index: Int, isVersion6: Bool) -> (endpoint: Endpoint, byteCount: Int) {
        let entry = datagrams[index]
        let address =
            isVersion6
            ? IPAddress(version6High: entry.address_high, low: entry.address_low)
            : IPAddress(version4: UInt32(truncatingIfNeeded: entry.address_low))
        return (Endpoint(address: address, port: entry.port), Int(entry.byte_count))
    }

    /// Drops all datagrams.
    public mutating func removeAll() {
        datagrams.removeAll(keepingCapacity: true)
        usedByteCount = 0
    }
}
