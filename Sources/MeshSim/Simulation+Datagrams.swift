public import MeshBase
internal import MeshCrypto
internal import MeshProtocol
internal import MeshWire

extension Simulation {
    // MARK: - Sending

    /// Sends a datagram by the socket that leads to an address, or by one of the host's further sockets.
    mutating func sendDatagram(_ bytes: [UInt8], to endpoint: Endpoint, from index: Int, socket: Int? = nil) {
        let socket = socket ?? hosts[index].furtherSockets.socket(to: endpoint)
        guard direct != nil,
            let passage = direct?.carry(bytes, to: endpoint, from: index, socket: socket, at: now)
        else { return }
        if direct?.overdraws(bytes.count, to: endpoint, from: index) == true {
            violations.append(.sentMoreThanCame(endpoint))
        }
        let isFrame = isFrame(bytes)
        if isFrame { noteFrame(bytes, to: endpoint, from: index) }
        guard bytes.count <= direct?.interfaceByteCountMax ?? .max else {
            return queue.add(.datagramTooLong(from: index, to: endpoint, byteCount: bytes.count), at: now)
        }
        guard bytes.count <= direct?.datagramByteCountMax ?? .max else { return }
        switch passage {
        case .lost, .stray: break
        case .passes(let link, let source):
            let random = entropy.next()
            let isSwallowed = direct?.isInBurst(link, random: random) ?? false
            guard !isSwallowed, !(direct?.dropsFrames == true && isFrame) else { return }
            for (delay, altered) in suffer(bytes, direct?.faults) {
                let at = direct?.arrival(link, delayMilliseconds: delay, at: now) ?? now
                let datagram = Datagram(
                    source: source, destination: endpoint, sender: index, sentAt: now, bytes: altered)
                if !isAttacked(datagram, link: link, at: at) { queue.add(.datagram(to: link.to, datagram), at: at) }
            }
        }
    }

    mutating func arrived(_ datagram: Datagram, at index: Int) {
        guard let attachment = direct?.attachments[index], !attachment.isBlocked else { return }
        var socket = 0
        // What an attacker sends passes every translator: he can have learned what it admits.
        if datagram.sender != nil {
            let receiver = attachment.receiver(of: datagram.destination, from: datagram.source, at: now)
            guard let receiver, hosts[index].furtherSockets.isOpen(receiver) else { return }
            socket = receiver
        }
        direct?.arrived(datagram, at: index, now)
        hosts[index].furtherSockets.arrival = socket
        deliver(datagram.bytes, to: index, by: .udp(datagram.source))
        hosts[index].furtherSockets.arrival = 0
    }

    // MARK: - Attackers

    /// An attacker sends a datagram with a source of his choice.
    public mutating func inject(_ bytes: [UInt8], from source: Endpoint, to node: Int, afterMilliseconds: UInt64) {
        let datagram = Datagram(
            source: source, destination: DirectNetwork.endpoint(of: node), sender: nil, sentAt: now, bytes: bytes)
        queue.add(.datagram(to: node, datagram), at: now.advanced(milliseconds: afterMilliseconds))
    }

    /// Lets the attacker see a datagram that would arrive at `at`. Returns whether he keeps it from going on.
    private mutating func isAttacked(_ datagram: Datagram, link: DirectNetwork.Link, at: Instant) -> Bool {
        guard let attack = direct?.attack else { return false }
        func some(_ perMille: UInt64, _ entropy: inout EntropySource) -> Bool {
            entropy.number(below: 1000) < perMille
        }
        let delay = entropy.number(below: Attack.delayMillisecondsMax)
        if some(attack.spoofedPerMille, &entropy) {
            inject(datagram.bytes, from: attack.victim, to: link.to, afterMilliseconds: delay / 10)
        }
        if some(attack.replayedPerMille, &entropy) {
            inject(datagram.bytes, from: datagram.source, to: link.to, afterMilliseconds: delay)
        }
        if some(attack.reflectedPerMille, &entropy) {
            inject(datagram.bytes, from: datagram.destination, to: link.from, afterMilliseconds: delay)
        }
        if some(attack.forgedPerMille, &entropy) {
            var forged = datagram.bytes
            let bit = Int(entropy.number(below: UInt64(forged.count * 8)))
            forged[bit / 8] ^= 1 << UInt8(bit % 8)
            inject(forged, from: attack.victim, to: link.to, afterMilliseconds: delay / 10)
        }
        if some(attack.swappedPerMille, &entropy) {
            inject(datagram.bytes, from: attack.victim, to: link.to, afterMilliseconds: now.milliseconds(to: at))
            return true
        }
        if some(attack.delayedPerMille, &entropy) {
            queue.add(.datagram(to: link.to, datagram), at: at.advanced(milliseconds: delay))
            return true
        }
        return false
    }

    // MARK: - Addresses

    /// A node's addresses change, in its own eyes.
    public mutating func setCandidates(_ endpoints: [Endpoint], of node: Int) {
        hosts[node].candidates = candidates(of: node, endpoints: endpoints)
        direct?.named.formUnion(endpoints)
        if let translator = direct?.attachments[node].translator { direct?.namedTranslators.insert(translator.address) }
        let candidates = hosts[node].candidates
        drive(node) { $0.setLocalCandidates(candidates, at: $2, actions: &$1) }
    }

    /// A host is attached to the network in another way; it learns that when `nameAddresses(of:)` is called.
    public mutating func attach(_ node: Int, _ change: (inout Attachment) -> Void) {
        guard var attachment = direct?.attachments[node] else { return }
        change(&attachment)
        direct?.attachments[node] = attachment
    }

    /// A host looks its addresses up and names them to its peers.
    public mutating func nameAddresses(of node: Int) {
        let now = now
        attach(node) { $0.observe(at: now) }
        guard let endpoints = direct?.attachments[node].candidates else { return }
        setCandidates(endpoints, of: node)
    }
}

extension Instant {
    fileprivate func milliseconds(to later: Instant) -> UInt64 { later.milliseconds(since: self) }
}
