extension WanNetwork {
    /// Carries out a command other than `seed` and `site`; the answer for the one who gave it.
    public mutating func apply(_ command: WanCommand) throws(WanCommandError) -> String {
        switch command {
        case .seed, .site: throw WanCommandError("seed and site stand in the configuration only")
        case .leg(let name, let up, let down, let new):
            change(site: try site(name), up: up, down: down) { settings in
                settings.delayNanoseconds = new.delayNanoseconds ?? settings.delayNanoseconds
                settings.jitterNanoseconds = new.jitterNanoseconds ?? settings.jitterNanoseconds
                settings.lossPartsPerMillion = new.lossPartsPerMillion ?? settings.lossPartsPerMillion
                settings.duplicatePartsPerMillion = new.duplicatePartsPerMillion ?? settings.duplicatePartsPerMillion
                settings.bitsPerSecond = new.bitsPerSecond ?? settings.bitsPerSecond
                settings.queueByteCountMax = new.queueByteCountMax ?? settings.queueByteCountMax
            }
        case .pair(let first, let second, let delay):
            change(pair: try site(first), try site(second)) { $0.delayNanoseconds = delay }
        case .cut(let first, let second, let isCut):
            for (left, right) in try pairs(first, second) { change(pair: left, right) { $0.isCut = isCut } }
        case .blockUDP(let first, let second, let isBlocked):
            for (left, right) in try pairs(first, second) { change(pair: left, right) { $0.blocksUDP = isBlocked } }
        case .show: return countersJSON
        }
        return "ok"
    }

    private func site(_ name: String) throws(WanCommandError) -> Int {
        guard let index = index(of: name) else {
            let known = sites.map(\.name).joined(separator: ", ")
            throw WanCommandError("'\(name)' is no site here: \(known)")
        }
        return index
    }

    private func pairs(_ first: String, _ second: String) throws(WanCommandError) -> [(Int, Int)] {
        let lefts = first == "all" ? Array(sites.indices) : [try site(first)]
        let rights = second == "all" ? Array(sites.indices) : [try site(second)]
        return lefts.flatMap { left in rights.filter { $0 != left }.map { (left, $0) } }
    }
}
