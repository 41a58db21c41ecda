package import MeshProtocol
package import MeshTransport

/// What a relay has done, for `/metrics` and `/health`.
package struct RelayMetrics: Sendable {
    /// Payloads forwarded, or queued to be.
    package var forwardedItems: UInt64 = 0
    /// Their bytes.
    package var forwardedByteCount: UInt64 = 0
    /// What was dropped on its way to a client, by reason.
    package var drops: [OutboundQueue.Drop: UInt64] = [:]
    /// WebSocket messages whose items do not add up.
    package var malformedMessages: UInt64 = 0

    /// Makes metrics that have counted nothing.
    package init() {}

    /// What others count, at the time of asking.
    package struct Others: Sendable {
        /// The WebSocket server.
        package var server: WebSocketCounters
        /// The STUN server; `nil` when there is none.
        package var stun: StunServer.Counters?
        /// Resident memory of the process in bytes.
        package var residentByteCount: UInt64

        /// Makes a set of what others count.
        package init(server: WebSocketCounters, stun: StunServer.Counters?, residentByteCount: UInt64) {
            self.server = server
            self.stun = stun
            self.residentByteCount = residentByteCount
        }
    }

    private typealias Sample = (labels: String, value: UInt64)

    /// The Prometheus text format, version 0.0.4.
    package func text(core: RelaySwitch, others: Others) -> String {
        var page = Page()
        page.add("clients", "gauge", "Clients that have proven their identity.", [("", UInt64(core.admittedCount))])
        page.add("connections", "gauge", "Open connections.", [("", UInt64(core.connectionCount))])
        page.add("pairs", "gauge", "Pairs of clients that are connected.", [("", UInt64(core.pairCount))])
        page.add("forwarded_items_total", "counter", "Sealed records and messages forwarded.", [("", forwardedItems)])
        page.add("forwarded_bytes_total", "counter", "Their bytes.", [("", forwardedByteCount)])
        page.add("resident_bytes", "gauge", "Resident memory.", [("", others.residentByteCount)])
        let dropped =
            OutboundQueue.Drop.allCases.map { ($0.rawValue, drops[$0, default: 0]) }
            + RelaySwitch.Refusal.allCases.map { ($0.rawValue, core.refusals[$0, default: 0]) }
            + [("malformed_message", malformedMessages)]
        page.add("dropped_total", "counter", "Items and clients refused or dropped, by reason.", by: "reason", dropped)
        addServer(others.server, to: &page)
        if let stun = others.stun {
            page.add("stun_requests_total", "counter", "Datagrams at the STUN port.", by: "result", stun.named)
        }
        return page.text
    }

    private func addServer(_ counters: WebSocketCounters, to page: inout Page) {
        page.add("tcp_accepted_total", "counter", "TCP connections accepted.", [("", counters.accepted)])
        page.add("websockets_total", "counter", "Connections that became WebSockets.", [("", counters.upgraded)])
        page.add("http_answers_total", "counter", "Plain HTTP requests answered.", [("", counters.answeredHTTP)])
        page.add(
            "refused_connections_total", "counter", "Connections that came to nothing, by reason.", by: "reason",
            counters.refused.named)
        page.add(
            "closed_websockets_total", "counter", "WebSockets that ended, by reason.", by: "reason",
            counters.closed.named)
    }

    /// The lines of the page so far.
    private struct Page {
        private var lines: [String] = []

        var text: String { lines.joined(separator: "\n") + "\n" }

        mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [Sample]) {
            lines.append("# HELP shadowmesh_relay_\(name) \(help)")
            lines.append("# TYPE shadowmesh_relay_\(name) \(type)")
            for sample in samples { lines.append("shadowmesh_relay_\(name)\(sample.labels) \(sample.value)") }
        }

        mutating func add(
            _ name: String, _ type: String, _ help: String, by label: String, _ values: [(String, UInt64)]
        ) {
            add(name, type, help, values.map { ("{\(label)=\"\($0.0)\"}", $0.1) })
        }
    }
}
