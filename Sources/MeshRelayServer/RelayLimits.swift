internal import MeshBase
internal import MeshControl
internal import MeshProtocol

extension RelaySwitch.Admission {
    init(_ admission: RelayConfiguration.Admission, token: [UInt8]) {
        switch admission {
        case .open: self = .open
        case .allowList(let ids): self = .allowList(Set(ids))
        case .token: self = .token(token)
        }
    }
}

extension OutboundQueue.Limits {
    init(_ limits: RelayConfiguration.Limits) {
        // Each channel that a client may have may open and close once; and one peer that opens and closes its channel as
        // fast as it may, 20 times a second after 100, fills 800 in the 35 s after which a client that reads nothing is
        // cut off.
        self.init(
            controlMessagesMax: 1_000 + 2 * limits.peersPerClient,
            signallingMessagesMax: limits.signallingMessages, dataByteCountPerPairMax: limits.dataBytesPerPair,
            dataAgeMilliseconds: UInt64(limits.dataAgeMilliseconds))
    }
}

extension RelaySwitch.Limits {
    init(_ limits: RelayConfiguration.Limits) {
        self.init()
        clientsMax = limits.clients
        payloadByteCountMax = limits.frameBytes
        peersPerClientMax = limits.peersPerClient
        bytesPerSecondMax = limits.rateBytesPerSecond.map { UInt64($0) }
    }
}
