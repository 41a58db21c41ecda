internal import MeshBase
internal import MeshCrypto
internal import MeshTransport

private let idText = WireSamples.id.description

/// Scripts of one frame each: ARP request, neighbour solicitation, IPv4, tagged.
let ethernetSeeds: [[UInt8]] = {
    let head: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0, 10]
    let arp: [UInt8] = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 10, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]
    let solicitation: [UInt8] =
        [0x86, 0xDD, 0x60, 0, 0, 0, 0, 32, 58, 255] + WireSamples.pattern(32) + [135, 0, 0, 0, 0, 0, 0, 0]
        + WireSamples.pattern(16) + [1, 1, 2, 0, 0, 0, 0, 10]
    let datagram: [UInt8] = [8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0] + WireSamples.pattern(16)
    return [arp, solicitation, datagram, [0x81, 0, 0, 2] + arp].map { body in
        let frame = head + body
        return [0] + [6, 0, UInt8(frame.count)] + frame + [4, 0, UInt8(frame.count)] + frame
    }
}()

/// A request with and without fingerprint, a success, an error, one of the first STUN, one with padding.
let stunSeeds: [[UInt8]] = {
    var request = StunMessage(messageClass: .request, transactionID: WireSamples.pattern(12))
    let plain = request.encoded
    request.hasFingerprint = true
    request.software = "ShadowMesh"
    var success = StunMessage(messageClass: .success, transactionID: WireSamples.pattern(12))
    success.mappedEndpoint = WireSamples.endpoint(isVersion6: true)
    var failure = StunMessage(messageClass: .error, transactionID: WireSamples.pattern(12))
    failure.errorCode = 420
    failure.unknownAttributes = [3, 4]
    var classic = StunMessage(messageClass: .request, transactionID: WireSamples.pattern(16))
    classic.changeRequest = .init(changesAddress: false, changesPort: true)
    var padded = StunMessage(messageClass: .request, transactionID: WireSamples.pattern(12))
    padded.paddingByteCount = 64
    padded.responsePort = 4_000
    return [plain, request.encoded, success.encoded, failure.encoded, classic.encoded, padded.encoded]
}()

/// Attribute types, most with an empty value.
let stunHeads: [[UInt8]] = [
    [0, 0x20, 0, 8, 0, 1], [0, 0x20, 0, 20, 0, 2], [0, 9, 0, 4], [0, 10, 0, 4], [0, 8, 0, 20], [0x80, 0x22, 0, 4],
    [0x80, 0x28, 0, 4], [0, 3, 0, 0], [0x21, 0x12, 0xA4, 0x42],
]

/// What a gateway sends: step by step, kind (1), byte count (2), bytes.
let gatewaySeeds: [[UInt8]] = {
    func step(_ kind: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [kind, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    }
    let pcp = [UInt8](repeating: 0, count: 12)
    let announce = [2, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9] + pcp
    let map: [UInt8] =
        [2, 129, 0, 0, 0, 0, 14, 16, 0, 0, 0, 9] + pcp + Array(1...12) + [17, 0, 0, 0, 0x1B, 0x58, 0x1B, 0x58]
        + [UInt8](repeating: 0, count: 10) + [255, 255, 203, 0, 113, 7]
    let address: [UInt8] = [0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7]
    let granted: [UInt8] = [0, 129, 0, 0, 0, 0, 0, 9, 0x1B, 0x58, 0x1B, 0x58, 0, 0, 14, 16]
    let found =
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
        + "LOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n"
    let description =
        "HTTP/1.1 200 OK\r\n\r\n<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        + "<controlURL>/control</controlURL></service>"
    let outside =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3c\r\n"
        + "<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>    \r\n0\r\n\r\n"
    let refused = "HTTP/1.1 500 No\r\nContent-Length: 26\r\n\r\n<errorCode>718</errorCode>"
    return [
        step(0, announce) + step(0, map) + step(3, []), step(0, address) + step(2, [2]) + step(0, granted),
        step(1, Array(found.utf8)) + step(4, Array(description.utf8)) + step(4, Array(outside.utf8)) + step(2, [8])
            + step(4, Array(outside.utf8)) + step(4, Array(refused.utf8)),
    ]
}()

/// RFC 6455 section 5.7, then a fragmented message, a ping, a close; of a client and of a server.
let webSocketSeeds: [[UInt8]] = [
    [0, 0x82, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58],
    [1, 0x02, 0x02, 1, 2, 0x89, 0x00, 0x80, 0x01, 3],
    [7, 0x82, 0x7E, 0x01, 0x00] + WireSamples.pattern(256) + [0x88, 0x02, 0x03, 0xE8],
    [9, 0x88, 0x05, 0x03, 0xE9, 0x62, 0x79, 0x65],
]

/// One small and one full configuration of a node, and one of a relay.
let configurationSeeds: [[UInt8]] = [
    "relays:\n  - url: wss://relay.example\n    id: \(idText)\n",
    """
    mode: direct
    identity: /srv/identity
    tap: {name: mesh0, address: [10.42.0.1/24, "fd00::1/64"], mtu: 1500, mac: 02:00:00:00:00:01}
    relays:
      - {url: "wss://[2001:db8::1]:8443/mesh", id: \(idText)}
    peers:
      - peer_id: \(idText)
        name: home
        address: home.example:443
    listen_address: "[::]:443"
    control: {socket: /tmp/c.sock, group: wheel}
    logging: {level: debug, format: json}
    heartbeat_interval: 5
    key_rotation_interval: 86400
    """,
    "listen_address: 0.0.0.0:443\nmode: relay\nadmission: open\n",
].map { Array($0.utf8) }

/// Keys, and what YAML readers stumble over.
let configurationWords = [
    "mode: ", "peers:\n  - ", "peer_id: ", "&a ", "*a", "<<: *a", "!!binary ", "? ", "[[[[[[[[", "{{{{{{{{", "- - - - ",
    "|2-\n", "0x7fffffffffffffff", "1e999", ".nan", "\u{FEFF}", "\u{2028}", "%YAML 1.1\n---\n", "~", "\t",
]

/// A plain and an encrypted identity, the latter with the least cost.
func identityFileSeeds() throws -> [[UInt8]] {
    let seeds = (mldsa: WireSamples.pattern(32), ed25519: WireSamples.pattern(32))
    let cheap = ScryptParameters(log2Rounds: 4, blockSize: 8, parallelism: 1)
    return [
        try IdentityFile.encode(seeds: seeds, passphrase: nil),
        try IdentityFile.encode(seeds: seeds, passphrase: [1], parameters: cheap),
    ]
}

/// Each request, and an answer.
let controlSeeds = [
    #"{"request":"status","version":1}"#, #"{"request":"peers","version":1,"pending":true}"#,
    #"{"request":"ping","version":1,"peer":"home","count":1}"#, #"{"request":"down","version":1}"#,
    #"{"result":"down","version":1}"#,
]

/// URLs, an ID, an Ethernet address.
let textSeeds = [
    "wss://relay.example", "wss://[2001:db8::1]:8443/mesh", "wss://192.0.2.1:1/?x=1", idText, "02:00:00:00:00:01",
]
