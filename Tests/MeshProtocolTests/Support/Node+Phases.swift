import MeshBase
import MeshProtocol
import MeshWire

/// Opening a record in two steps, as a packet loop does it.
extension Node {
    /// Opens in place, without the node's books; `nil`: there is no key for it.
    mutating func openedOutside(_ record: inout [UInt8]) -> RecordOpening? {
        guard let key = openingKey(of: record.span.rawBytes) else { return nil }
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        return key.open(&span)
    }

    /// Opens with what `opening` says that gave; the frame, if it may be delivered at once.
    mutating func frame(
        of record: inout [UInt8], _ opening: RecordOpening?, by carrier: CarrierID, at now: Instant
    ) throws(RecordRefusal) -> [UInt8]? {
        var actions: [NodeAction] = []
        var bytes = record.mutableSpan
        var span = bytes.mutableRawBytes
        guard let opened = try open(&span, opening: opening, by: carrier, at: now, actions: &actions) else {
            return nil
        }
        return span.bytes.copy(opened.frame)
    }
}
