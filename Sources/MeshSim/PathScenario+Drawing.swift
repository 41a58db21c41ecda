internal import MeshBase
internal import MeshCrypto
internal import MeshProtocol

extension PathScenario {
    /// Draws the scenario of a seed.
    public init(drawnFrom seed: UInt64) {
        var entropy = EntropySource.seeded(seed &* 0x9E37_79B9)
        let kinds = Kind.allCases
        self.init(seed: seed, kind: kinds[Int(entropy.number(below: UInt64(kinds.count)))])
        drawNetwork(&entropy)
        endMilliseconds = 4_000 + entropy.number(below: 6_000)
        switch kind {
        case .planned: drawMoves(&entropy)
        case .relays: drawRelayTrouble(&entropy)
        case .cut: drawCuts(&entropy)
        case .lossy: drawLosses(&entropy)
        case .roaming: drawRoaming(&entropy)
        case .translated: drawRebindings(&entropy)
        case .attacked: drawAttack(&entropy)
        case .streams: drawStreams(&entropy)
        }
        steps.sort { $0.atMilliseconds < $1.atMilliseconds }
        endMilliseconds = max(endMilliseconds, (steps.last?.atMilliseconds ?? 0) + 500)
    }

    private mutating func drawNetwork(_ entropy: inout EntropySource) {
        nodeCount = entropy.number(below: 4) == 0 ? 3 : 2
        let relayCount = kind == .relays ? 2 : 1 + Int(entropy.number(below: 4) / 3)
        // The relay is often nearer than the direct path, and up to 50 ms either way.
        relayDelays = (0..<relayCount).map { _ in 5 + entropy.number(below: 55) }
        afterDirect = entropy.number(below: 2) == 0 ? .standby : .disconnect
        hasVersion6 = kind != .translated && entropy.number(below: 3) == 0
        if hasVersion6 {
            switch entropy.number(below: 4) {
            case 0: lacksVersion4 = true
            case 1: losesVersion4 = true
            default: break
            }
        }
        for from in 0..<nodeCount {
            for to in 0..<nodeCount where to != from {
                // Mostly the same both ways.
                for isVersion6 in hasVersion6 ? [false, true] : [false] {
                    let back = delays[.init(to, from, isVersion6: isVersion6)]
                    let own = 1 + entropy.number(below: 70)
                    let isSame = entropy.number(below: 3) > 0
                    delays[.init(from, to, isVersion6: isVersion6)] = isSame ? back ?? own : own
                }
            }
        }
        if entropy.number(below: 4) == 0 { junkCount = 1 + Int(entropy.number(below: 16)) }
        gapMillisecondsMax = 5 + entropy.number(below: 20)
        if entropy.number(below: 3) == 0 { datagramByteCountMax = Self.drawnByteCountMax(&entropy) }
        if entropy.number(below: 3) == 0 { largeFramePerMille = entropy.number(below: 1_000) }
    }

    /// From the smallest that IPv6 allows (RFC 8200) to the largest there is.
    private static func drawnByteCountMax(_ entropy: inout EntropySource) -> Int {
        1_232 + Int(entropy.number(below: UInt64(ethernetDatagramByteCountMax - 1_232)))
    }

    private mutating func add(_ step: Step, _ entropy: inout EntropySource) {
        steps.append((entropy.number(below: endMilliseconds), step))
    }

    /// Things that lose nothing, and silence.
    private mutating func drawHarmless(_ count: UInt64, _ entropy: inout EntropySource) {
        for _ in 0..<entropy.number(below: count + 1) {
            switch entropy.number(below: 4) {
            case 0: add(.nameAddresses(Int(entropy.number(below: UInt64(nodeCount)))), &entropy)
            case 1, 2:
                let at = entropy.number(below: endMilliseconds)
                steps.append((at, .silence(true)))
                steps.append((at + entropy.number(below: 2_000), .silence(false)))
            default: drawDelay(&entropy)
            }
        }
    }

    private mutating func drawDelay(_ entropy: inout EntropySource) {
        let isBack = entropy.number(below: 2) == 1
        let isVersion6 = hasVersion6 && entropy.number(below: 2) == 1
        let link = DirectNetwork.Link(isBack ? 1 : 0, isBack ? 0 : 1, isVersion6: isVersion6)
        add(.delay(link, 1 + entropy.number(below: 70)), &entropy)
    }

    private mutating func drawMoves(_ entropy: inout EntropySource) {
        var isAllowed = true
        var at: UInt64 = 0
        while at < endMilliseconds {
            at += 1 + entropy.number(below: entropy.number(below: 4) == 0 ? 4_000 : 700)
            isAllowed.toggle()
            steps.append((at, .allowDirect(isAllowed)))
        }
        drawHarmless(6, &entropy)
    }

    private mutating func drawRelayTrouble(_ entropy: inout EntropySource) {
        if entropy.number(below: 4) == 0 { return drawLostRelays(&entropy) }
        // Half of the meshes never leave the relays.
        if entropy.number(below: 2) == 0 { steps.append((0, .allowDirect(false))) }
        var at = 1_000 + entropy.number(below: 3_000)
        while at < endMilliseconds {
            let relay = Int(entropy.number(below: 2))
            switch entropy.number(below: 3) {
            case 0: steps.append((at, .restartRelay(relay)))
            case 1: steps.append((at, .drainRelay(relay)))
            default: steps.append((at, .breakConnection(node: Int(entropy.number(below: 2)), relay: relay)))
            }
            at += 1_500 + entropy.number(below: 5_000)
        }
        drawHarmless(3, &entropy)
    }

    /// All relays are gone for a while; the direct path too, perhaps.
    private mutating func drawLostRelays(_ entropy: inout EntropySource) {
        let at = 2_000 + entropy.number(below: 4_000)
        let end = at + 500 + entropy.number(below: 12_000)
        steps.append((at, .stopRelays))
        steps.append((end, .startRelays))
        if entropy.number(below: 2) == 0 {
            let cutAt = at + entropy.number(below: end - at)
            let links = [false, true].flatMap {
                [.init(0, 1, isVersion6: $0), DirectNetwork.Link(1, 0, isVersion6: $0)]
            }
            steps.append((cutAt, .cut(links)))
            steps.append((cutAt + 500 + entropy.number(below: 10_000), .heal))
        }
        drawHarmless(3, &entropy)
    }

    private mutating func drawCuts(_ entropy: inout EntropySource) {
        var at = 1_000 + entropy.number(below: 4_000)
        while at < endMilliseconds {
            var links = [DirectNetwork.Link(0, 1), DirectNetwork.Link(1, 0)]
            if hasVersion6, entropy.number(below: 2) == 0 {
                links += links.map { DirectNetwork.Link($0.from, $0.to, isVersion6: true) }
            }
            switch entropy.number(below: 6) {
            case 5:
                steps.append((at, .datagramByteCountMax(Self.drawnByteCountMax(&entropy))))
                at += 500 + entropy.number(below: 4_000)
                continue
            case 0: links = links.filter { $0.from == 0 }
            case 1: links = []
            default: break
            }
            let end = at + 500 + entropy.number(below: 6_000)
            if links.isEmpty {
                let host = Int(entropy.number(below: 2))
                let isBlocking = entropy.number(below: 2) == 0
                steps.append((at, isBlocking ? .block(host, true) : .dropFrames(true)))
                steps.append((end, isBlocking ? .block(host, false) : .dropFrames(false)))
            } else {
                steps.append((at, .cut(links)))
                steps.append((end, .heal))
            }
            at = end + 500 + entropy.number(below: 4_000)
        }
        drawHarmless(2, &entropy)
        if entropy.number(below: 5) == 0 { blockedForGood = Int(entropy.number(below: 2)) }
    }

    private mutating func drawLosses(_ entropy: inout EntropySource) {
        faults.lossPerMille = entropy.number(below: 2) == 0 ? entropy.number(below: 300) : 0
        faults.burstPerMille = entropy.number(below: 2) == 0 ? entropy.number(below: 20) : 0
        faults.duplicationPerMille = entropy.number(below: 2) == 0 ? entropy.number(below: 200) : 0
        faults.corruptionPerMille = entropy.number(below: 3) == 0 ? entropy.number(below: 50) : 0
        faults.truncationPerMille = entropy.number(below: 3) == 0 ? entropy.number(below: 20) : 0
        faults.jitterMilliseconds = entropy.number(below: 2) == 0 ? entropy.number(below: 60) : 0
        drawHarmless(4, &entropy)
    }

    private mutating func drawRoaming(_ entropy: inout EntropySource) {
        var at = 1_000 + entropy.number(below: 3_000)
        var generation = 0
        while at < endMilliseconds {
            generation += 1
            let host = Int(entropy.number(below: 2))
            steps.append((at, .renumber(host, generation: generation)))
            // The host may have been without a network before, and learns of its new address a little later.
            steps.append((at + entropy.number(below: 300), .nameAddresses(host)))
            if entropy.number(below: 3) == 0 {
                steps.append((at + entropy.number(below: 500), .renumber(1 - host, generation: generation)))
                steps.append((at + 500, .nameAddresses(1 - host)))
            }
            at += 1_000 + entropy.number(below: 6_000)
        }
        drawHarmless(2, &entropy)
    }

    private mutating func drawRebindings(_ entropy: inout EntropySource) {
        translated = entropy.number(below: 2) == 0 ? [0, 1] : [Int(entropy.number(below: 2))]
        var at = 1_000 + entropy.number(below: 4_000)
        while at < endMilliseconds {
            let host = translated[Int(entropy.number(below: UInt64(translated.count)))]
            steps.append((at, .rebind(host)))
            steps.append((at + entropy.number(below: 25_000), .nameAddresses(host)))
            at += 2_000 + entropy.number(below: 8_000)
        }
        steps.removeAll { $0.atMilliseconds > endMilliseconds + 5_000 }
        drawHarmless(2, &entropy)
    }

    private mutating func drawAttack(_ entropy: inout EntropySource) {
        var attack = Attack(victim: Attachment.endpoint([203, 0, 113, 77], 4444))
        func rate(_ bound: UInt64) -> UInt64 { entropy.number(below: 2) == 0 ? entropy.number(below: bound) : 0 }
        attack.spoofedPerMille = rate(1_000)
        attack.replayedPerMille = rate(500)
        attack.reflectedPerMille = rate(500)
        attack.forgedPerMille = rate(500)
        attack.swappedPerMille = rate(300)
        attack.delayedPerMille = rate(300)
        self.attack = attack
        drawHarmless(6, &entropy)
    }

    private mutating func drawStreams(_ entropy: inout EntropySource) {
        opensConnections = true
        refusesConnections = entropy.number(below: 8) == 0
        let blocked = Int(entropy.number(below: 2))
        steps.append((0, .block(blocked, true)))
        if entropy.number(below: 2) == 0 { steps.append((0, .block(1 - blocked, true))) }
        var at = 3_000 + entropy.number(below: 4_000)
        while at < endMilliseconds {
            switch entropy.number(below: 4) {
            case 0: steps.append((at, .resetConnections))
            case 1:
                steps.append((at, .silenceConnections))
                at += 500 + entropy.number(below: 6_000)
                steps.append((at, .resetConnections))
            case 2: steps.append((at, .allowDirect(false)))
            default: steps.append((at, .allowDirect(true)))
            }
            at += 500 + entropy.number(below: 5_000)
        }
        drawHarmless(3, &entropy)
        if entropy.number(below: 2) == 0 { blockedForGood = blocked }
    }
}
