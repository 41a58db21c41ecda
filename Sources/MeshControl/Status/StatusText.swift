/// Status as people and programs read it. Text fits 100 columns and holds no control characters.
public enum StatusText {
    /// Columns of the text forms.
    static let widthMax = 100

    /// The whole status for people.
    public static func text(_ status: NodeStatus) -> String {
        var parts = [heading(status)]
        if !status.candidates.isEmpty { parts.append("own addresses\n" + table(status.candidates)) }
        if let nat = status.nat { parts.append(nat.text) }
        if !status.relays.isEmpty { parts.append(relays(status.relays)) }
        parts.append(
            status.peers.isEmpty ? "no peers are configured (peers: in the configuration)" : table(status.peers))
        parts += status.peers.map { details($0) }.filter { !$0.isEmpty }
        if !status.pending.isEmpty { parts.append(text(PeerListing(pending: status.pending), pending: true)) }
        let counters = counts(status.counters)
        if !counters.isEmpty { parts.append(wrapped("counters", counters)) }
        return parts.joined(separator: "\n\n")
    }

    /// A list of peers, or of pending ones, for people.
    public static func text(_ listing: PeerListing, pending: Bool) -> String {
        guard pending else {
            guard !listing.peers.isEmpty else { return "no peers are configured (peers: in the configuration)" }
            return ([table(listing.peers)] + listing.peers.map(details).filter { !$0.isEmpty })
                .joined(separator: "\n\n")
        }
        guard !listing.pending.isEmpty else { return "nobody unknown has asked for a session" }
        var table = TextTable(columns: [
            .left("unknown peer"), .left("asked through", widthMax: 18), .right("ago", widthMax: 12), .right("times"),
        ])
        for peer in listing.pending {
            let ago = Quantity.duration(milliseconds: peer.sinceMilliseconds)
            table.append([peer.id, peer.from, ago, "\(peer.count)"])
        }
        return table.text + "\nto admit one, add its peer_id to peers: in the configuration"
    }

    /// One line a probe, and the sum, for people.
    public static func text(_ report: PingReport, firstSequence: Int = 1) -> String {
        report.probes.enumerated().map { index, probe in
            let name = TextTable.printable(report.name ?? String(report.id.prefix(10)))
            let answer = probe.rttMicroseconds.map { "time \(Quantity.time(microseconds: $0))" } ?? "no answer"
            return "\(name) #\(firstSequence + index) by \(TextTable.printable(probe.path)): \(answer)"
        }.joined(separator: "\n")
    }

    /// Sent, answered and the spread of the round trips, for people.
    public static func summary(_ probes: [PingReport.Probe]) -> String {
        let times = probes.compactMap(\.rttMicroseconds)
        var line = "\(probes.count) sent, \(times.count) answered"
        if let least = times.min(), let most = times.max() {
            let mean = times.reduce(0) { $0 + $1 / UInt64(times.count) }
            let words = [least, mean, most].map { Quantity.time(microseconds: $0) }.joined(separator: " / ")
            line += ", least / mean / most \(words)"
        }
        return line
    }

    /// Indented JSON with sorted keys.
    public static func json(_ value: some Encodable) throws -> String {
        String(decoding: try ControlCoding.json(value, isIndented: true), as: UTF8.self)
    }
}

// MARK: Parts

extension StatusText {
    private static func heading(_ status: NodeStatus) -> String {
        let tap = status.tap
        let addresses = tap.addresses.isEmpty ? "no address" : tap.addresses.joined(separator: ", ")
        let uptime = Quantity.duration(milliseconds: status.uptimeMilliseconds)
        let listening = status.listenAddress.map { ", listening on \($0)" } ?? ""
        return [
            wrapped("node", [status.id]),
            wrapped("version", ["\(status.version), up \(uptime), mode \(status.mode)\(listening)"]),
            wrapped("tap", ["\(tap.name)", tap.mac, "MTU \(tap.mtu)"] + [addresses]),
            wrapped("", traffic(tap.traffic)),
        ].joined(separator: "\n")
    }

    private static func relays(_ relays: [RelayStatus]) -> String {
        var table = TextTable(columns: [
            .left("relay", widthMax: 34), .left("id"), .left("state", widthMax: 25), .right("for", widthMax: 12),
            .right("rtt", widthMax: 9),
        ])
        for relay in relays {
            table.append([
                relay.url, String(relay.id.prefix(10)), relay.state,
                Quantity.duration(milliseconds: relay.sinceMilliseconds), rtt(relay.rttMicroseconds),
            ])
        }
        var lines = [table.text]
        for relay in relays {
            if let address = relay.observedAddress { lines.append(wrapped("", ["\(relay.url) sees us at \(address)"])) }
            if let error = relay.lastError { lines.append(wrapped("", ["\(relay.url): \(error)"])) }
        }
        return lines.joined(separator: "\n")
    }

    private static func table(_ peers: [PeerStatus]) -> String {
        var table = TextTable(columns: [
            .left("peer", widthMax: 13), .left("id"), .left("state"), .right("for", widthMax: 11),
            .left("path", widthMax: 16), .right("rtt", widthMax: 8), .right("sent", widthMax: 8),
            .right("received", widthMax: 8),
        ])
        for peer in peers {
            table.append([
                peer.name ?? "-", String(peer.id.prefix(10)), peer.state.rawValue,
                Quantity.duration(milliseconds: peer.sinceMilliseconds), peer.path ?? "-", rtt(peer.rttMicroseconds),
                Quantity.bytes(peer.traffic.sentBytes), Quantity.bytes(peer.traffic.receivedBytes),
            ])
        }
        return table.text
    }

    private static func details(_ peer: PeerStatus) -> String {
        var lines: [String] = []
        if let session = peer.session {
            let age = Quantity.duration(milliseconds: session.ageMilliseconds)
            let id = String(session.id.prefix(16))
            lines.append(
                wrapped("session", ["\(id), \(age) old", "epoch \(session.epoch)", "\(session.rekeys) rekeys"]))
            lines.append(wrapped("suite", [session.suite]))
        }
        lines += paths(of: peer)
        if let handshake = peer.handshake {
            let duration = Quantity.time(microseconds: handshake.durationMicroseconds)
            let cpu = Quantity.time(microseconds: handshake.cpuMicroseconds)
            lines.append(wrapped("handshake", [duration, "CPU \(cpu)", "\(handshake.bytes) bytes"]))
        }
        if !peer.steps.isEmpty {
            lines.append(
                wrapped("steps", peer.steps.map { "\($0.name) \(Quantity.time(microseconds: $0.microseconds))" }))
        }
        let losses = counts(peer.losses)
        if !losses.isEmpty { lines.append(wrapped("losses", losses)) }
        if let error = peer.lastError { lines.append(wrapped("reason", [error])) }
        guard !lines.isEmpty else { return "" }
        let title = TextTable.printable(peer.name ?? String(peer.id.prefix(10)))
        return (["\(title)  \(peer.id)"] + lines).joined(separator: "\n")
    }

    static func rtt(_ microseconds: UInt64?) -> String {
        microseconds.map { Quantity.time(microseconds: $0) } ?? "-"
    }

    private static func traffic(_ traffic: TrafficStatus) -> [String] {
        [
            "sent \(traffic.sentFrames) frames (\(Quantity.bytes(traffic.sentBytes)))",
            "received \(traffic.receivedFrames) frames (\(Quantity.bytes(traffic.receivedBytes)))",
        ]
    }

    /// The counters that are not 0, the largest first.
    private static func counts(_ counters: [String: UInt64]) -> [String] {
        counters.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.key) \($0.value)" }
    }

    /// Columns before the items of a label.
    static let indent = 13

    /// A label and its items, separated by commas, on as many lines as they need.
    static func wrapped(_ label: String, _ items: [String]) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = "  " + label + margin.dropFirst(2 + label.count)
        // Short items are kept whole: their blanks are hidden from the splitting.
        let hidden: Character = "\u{A0}"
        let pieces = items.map { $0.count <= 48 ? $0.replacing(" ", with: String(hidden)) : $0 }
        for piece in TextTable.printable(pieces.joined(separator: ", ")).split(separator: " ") {
            let word = String(piece.map { $0 == hidden ? " " : $0 })
            if line.count > indent, line.count + 1 + word.count > widthMax {
                lines.append(line)
                line = margin
            }
            line += (line.count > indent ? " " : "") + word
        }
        return (lines + [line]).joined(separator: "\n")
    }
}
