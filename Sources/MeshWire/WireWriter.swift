public import MeshBase

/// Builds one message, field after field, in network byte order.
public struct WireWriter: Sendable {
    /// The message so far.
    public private(set) var bytes: [UInt8] = []

    /// Makes a writer with room for `capacity` bytes.
    public init(capacity: Int) { bytes.reserveCapacity(capacity) }

    /// Appends a big-endian integer.
    public mutating func write<Integer: FixedWidthInteger>(_ value: Integer) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }

    /// Appends bytes as they are.
    public mutating func write(_ more: [UInt8]) { bytes.append(contentsOf: more) }

    /// Appends a peer ID of 32 bytes.
    public mutating func write(_ id: PeerID) { bytes.append(contentsOf: id.bytes) }
}
