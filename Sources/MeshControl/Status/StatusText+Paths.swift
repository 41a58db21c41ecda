extension StatusText {
    /// What came of a choice, and a peer's paths, for people.
    public static func text(_ report: PathReport) -> String {
        let peer = report.peer
        let title = "\(TextTable.printable(peer.name ?? String(peer.id.prefix(10))))  \(peer.id)"
        let parts = [report.outcome.map { TextTable.printable($0.text) }, title].compactMap(\.self) + paths(of: peer)
        return parts.joined(separator: "\n")
    }

    /// The path in use, what is known of it, and the peer's addresses; a line each.
    static func paths(of peer: PeerStatus) -> [String] {
        var lines: [String] = []
        if let path = peer.path {
            var items = [path]
            if let since = peer.paths?.sinceMilliseconds {
                items.append("for \(Quantity.duration(milliseconds: since))")
            }
            if let rtt = peer.rttMicroseconds { items.append("rtt \(Quantity.time(microseconds: rtt))") }
            if let loss = peer.paths?.lossPercent { items.append("loss \(tenths(loss)) %") }
            lines.append(wrapped("path", items))
        }
        guard let paths = peer.paths else { return lines }
        if let suspicion = paths.suspicion {
            let since = paths.suspectMilliseconds.map { ["for \(Quantity.duration(milliseconds: $0))"] } ?? []
            lines.append(wrapped("in doubt", [suspicion] + since))
        }
        if paths.wish != PathChoice.automatic.text { lines.append(wrapped("chosen", [paths.wish])) }
        if paths.lateFrames + paths.waitsInVain > 0 {
            lines.append(
                wrapped("order", ["\(paths.lateFrames) frames late", "\(paths.waitsInVain) waits in vain"]))
        }
        var attempts: [String] = []
        let missing = peer.path?.hasPrefix("wss") == true ? "no UDP path" : "no direct path"
        if let failure = paths.lastFailure { attempts.append("\(missing): \(failure)") }
        if let next = paths.nextAttemptMilliseconds {
            attempts.append("next attempt in \(Quantity.duration(milliseconds: next))")
        }
        if !attempts.isEmpty { lines.append(wrapped("attempt", attempts)) }
        if !paths.candidates.isEmpty { lines.append(table(paths.candidates)) }
        for candidate in paths.candidates {
            guard let failure = candidate.lastFailure else { continue }
            lines.append(wrapped("", ["\(candidate.transport) \(candidate.address): \(failure)"]))
        }
        return lines
    }

    /// Addresses, one a line.
    static func table(_ candidates: [CandidateStatus]) -> String {
        let hasState = candidates.contains { $0.state != nil }
        let more: [TextTable.Column] = hasState ? [.left("state", widthMax: 10), .right("rtt", widthMax: 8)] : []
        var table = TextTable(columns: [.left("address", widthMax: 50), .left("source", widthMax: 12)] + more)
        for candidate in candidates {
            let cells = ["\(candidate.transport) \(candidate.address)", candidate.source]
            table.append(cells + (hasState ? [candidate.state ?? "-", rtt(candidate.rttMicroseconds)] : []))
        }
        let margin = String(repeating: " ", count: indent)
        return table.text.split(separator: "\n").map { margin + $0 }.joined(separator: "\n")
    }

    /// With one decimal.
    private static func tenths(_ value: Double) -> String {
        let tenths = Int((min(max(value, 0), 100) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
