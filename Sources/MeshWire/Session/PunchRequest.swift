public import MeshBase

/// PUNCH: asks for challenges to many ports of the sender's own address, one of which a translator on its side has given
/// to it: body of stream message type 6.
///
///     | step (1): from each port to the next, signed; 0: in any order | ports at most (2) | family (1) | first port (2) | address (4 or 16) |
public struct PunchRequest: Hashable, Sendable {
    /// The sender's address outside of its translator, and the first or, where the order does not matter, the lowest port.
    public var first: Endpoint
    /// From each port to the next; 0: any ports from the first to 65,535, each at most once.
    public var step: Int8
    /// How many ports to try at most.
    public var portsMax: UInt16

    /// Makes a request.
    public init(first: Endpoint, step: Int8, portsMax: UInt16) {
        self.first = first
        self.step = step
        self.portsMax = portsMax
    }

    init(parsing body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        step = try reader.readInteger(as: Int8.self)
        portsMax = try reader.readInteger(as: UInt16.self)
        first = try reader.readEndpoint()
        try reader.requireEnd()
    }

    /// The body on the stream.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 22)
        writer.write(UInt8(bitPattern: step))
        writer.write(portsMax)
        writer.write(first)
        return writer.bytes
    }
}
