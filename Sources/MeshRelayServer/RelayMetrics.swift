internal import MeshProtocol

/// What a relay has done, for `/metrics` and `/health`.
struct RelayMetrics {
    var forwardedItems: UInt64 = 0
    var forwardedByteCount: UInt64 = 0
    var drops: [OutboundQueue.Drop: UInt64] = [:]
    var malformedMessages: UInt64 = 0

    /// The Prometheus text format, version 0.0.4.
    func text(core: RelaySwitch, residentByteCount: UInt64) -> String {
        var lines: [String] = []
        func add(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: UInt64)]) {
            lines.append("# HELP shadowmesh_relay_\(name) \(help)")
            lines.append("# TYPE shadowmesh_relay_\(name) \(type)")
            for sample in samples { lines.append("shadowmesh_relay_\(name)\(sample.labels) \(sample.value)") }
        }
        add("clients", "gauge", "Clients that have proven their identity.", [("", UInt64(core.admittedCount))])
        add("connections", "gauge", "Open connections.", [("", UInt64(core.connectionCount))])
        add("pairs", "gauge", "Pairs of clients that are connected.", [("", UInt64(core.pairCount))])
        add("forwarded_items_total", "counter", "Sealed records and messages forwarded.", [("", forwardedItems)])
        add("forwarded_bytes_total", "counter", "Their bytes.", [("", forwardedByteCount)])
        add("resident_bytes", "gauge", "Resident memory.", [("", residentByteCount)])
        let dropped =
            OutboundQueue.Drop.allCases.map { ("{reason=\"\($0.rawValue)\"}", drops[$0, default: 0]) }
            + RelaySwitch.Refusal.allCases.map { ("{reason=\"\($0.rawValue)\"}", core.refusals[$0, default: 0]) }
            + [("{reason=\"malformed_message\"}", malformedMessages)]
        add("dropped_total", "counter", "Items and connections refused or dropped, by reason.", dropped)
        return lines.joined(separator: "\n") + "\n"
    }
}
