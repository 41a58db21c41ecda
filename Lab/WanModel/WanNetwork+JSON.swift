extension WanNetwork {
    /// The counters as one line of JSON; names of sites are plain (`WanCommand` lets no others in).
    public var countersJSON: String {
        let sites = sites.map { site in
            "{\"name\":\"\(site.name)\",\"up\":\(Self.json(site.up.counters)),\"down\":\(Self.json(site.down.counters))}"
        }
        let drops = Drop.allCases.filter { $0 != .leg }.map { "\"\($0.rawValue)\":\(dropCount($0))" }
        return "{\"seed\":\(seed),\"in_flight\":\(packetCount),\"sites\":[\(sites.joined(separator: ","))],"
            + "\"dropped\":{\(drops.joined(separator: ","))}}"
    }

    private static func json(_ counters: Leg.Counters) -> String {
        "{\"packets\":\(counters.packetCount),\"bytes\":\(counters.byteCount),"
            + "\"dropped_loss\":\(counters.droppedLoss),\"dropped_queue\":\(counters.droppedQueue),"
            + "\"duplicated\":\(counters.duplicated)}"
    }
}
