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
        let address = endpoint.address.bytes.span.rawBytes
        if endpoint.address.isVersion6 {
            entry.address_high = address.bigEndian(at: 0, as: UInt64.self)
            entry.address_low = address.bigEndian(at: 8, as: UInt64.self)
        } else {
            entry.address_low = UInt64(address.bigEndian(at: 0, as: UInt32.self))
        }
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
    func destination(of index: Int, isVersion6: Bool) -> (endpoint: Endpoint, byteCount: Int)? {
        let entry = datagrams[index]
        func bytes(_ value: UInt64, count: Int) -> [UInt8] {
            (0..<count).map { (place: Int) -> UInt8 in
                UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - place)))
            }
        }
        let address =
            isVersion6
            ? bytes(entry.address_high, count: 8) + bytes(entry.address_low, count: 8)
            : bytes(entry.address_low, count: 4)
        return IPAddress(bytes: address).map { (Endpoint(address: $0, port: entry.port), Int(entry.byte_count)) }
    }

    /// Drops all datagrams.
    public mutating func removeAll() {
        datagrams.removeAll(keepingCapacity: true)
        usedByteCount = 0
    }
}
