/// What a host's network lets through, as `shadowmesh netcheck` finds it; JSON keys are the names in snake case.
public struct NetworkReport: Sendable, Hashable, Encodable {
    /// A relay and the way to it.
    public struct Relay: Sendable, Hashable, Encodable {
        /// Its URL.
        public var url: String
        /// The address that was tried; absent when its name is not known.
        public var address: String?
        /// How long a TCP connection took; absent when none came about.
        public var tcpMicroseconds: UInt64?
        /// The round trip to its STUN service; absent without an answer.
        public var udpMicroseconds: UInt64?

        /// Makes the record of a relay of which nothing is known.
        public init(url: String) { self.url = url }

        /// How far it is: by UDP where that gets through.
        public var latencyMicroseconds: UInt64? { udpMicroseconds ?? tcpMicroseconds }
    }

    /// The relays, in the order of the configuration.
    public var relays: [Relay]
    /// The URL of the one with the lowest latency; absent when none is reached.
    public var nearestRelay: String?
    /// Whether a relay answered by UDP, over either version of IP.
    public var udp = false
    /// Whether a relay was reached over IPv4.
    public var ipv4 = false
    /// Whether a relay was reached over IPv6.
    public var ipv6 = false
    /// How relays see this host over IPv4, and the port a socket had there; absent without an answer.
    public var publicAddressVersion4: String?
    /// The same over IPv6.
    public var publicAddressVersion6: String?
    /// What address translators do; absent where no relay has an address of version 4.
    public var nat: NATStatus?
    /// The gateway that was asked to forward ports; absent where there is none to ask.
    public var gateway: String?
    /// What it speaks: `PCP`, `NAT-PMP`, `UPnP`.
    public var portMapping: [String] = []
    /// How long all this took.
    public var elapsedMilliseconds: UInt64 = 0

    /// What it means for direct connections, in sentences.
    public var direct: [String] = []

    /// Makes the report of a network of which nothing is known.
    public init(relays: [Relay]) { self.relays = relays }

    /// Whether any relay is reached.
    public var isConnected: Bool { relays.contains { $0.latencyMicroseconds != nil } }
}

extension NetworkReport {
    /// What all this means for direct connections.
    public var meaning: [String] {
        guard isConnected else {
            return ["No relay is reached: this host meets nobody. Check its network, and the relays' addresses."]
        }
        guard udp else {
            return [
                "UDP does not get through. Direct connections are tried by TCP, which works with peers that are not "
                    + "behind a symmetric NAT; all others stay on a relay."
            ]
        }
        var sentences = nat.map { Self.meaning($0, isForwarded: !portMapping.isEmpty) } ?? []
        if publicAddressVersion6 != nil {
            sentences.append(
                "Peers that have IPv6 as well are reached directly over it, whatever NAT there is for IPv4.")
        }
        return sentences
    }

    private static func meaning(_ nat: NATStatus, isForwarded: Bool) -> [String] {
        let forwarded = "The gateway forwards a port: peers reach this host directly whatever NAT they are behind."
        return switch nat.type {
        case "none", "full cone", "restricted cone":
            ["Direct connections work with peers behind every kind of NAT."]
        case "port-restricted cone", "cone":
            isForwarded
                ? [forwarded]
                : ["Direct connections work with every peer; with those behind a symmetric NAT they take some seconds."]
        case "symmetric":
            isForwarded
                ? [forwarded]
                : [
                    "Direct connections work with peers that are not behind a symmetric NAT themselves, after some seconds "
                        + "where their NAT lets in only whom they sent to; the others stay on a relay.",
                    "A port that the router forwards (PCP, NAT-PMP or UPnP, if it has them switched off) would change that.",
                ]
        case "UDP blocked": ["UDP over IPv4 does not get through."]
        default: ["What the NAT does is not known: relays with a STUN service tell."]
        }
    }

    /// The report for people.
    public var text: String {
        var lines = ["UDP: \(udp ? "yes" : "no")", "IPv4: \(ipv4 ? "yes" : "no")\(seen(publicAddressVersion4))"]
        lines.append("IPv6: \(ipv6 ? "yes" : "no")\(seen(publicAddressVersion6))")
        if let nat { lines.append(nat.text) }
        let forwarding = portMapping.isEmpty ? "none" : portMapping.joined(separator: ", ")
        lines.append("port mapping: " + (gateway.map { "\(forwarding) (gateway \($0))" } ?? "no gateway to ask"))
        var table = TextTable(columns: [
            .left("relay", widthMax: 48), .right("latency"), .right("TCP"), .right("UDP"), .left("", widthMax: 8),
        ])
        for relay in relays {
            table.append([
                relay.url, Self.milliseconds(relay.latencyMicroseconds), Self.milliseconds(relay.tcpMicroseconds),
                Self.milliseconds(relay.udpMicroseconds), relay.url == nearestRelay ? "nearest" : "",
            ])
        }
        let meaning = direct.flatMap { StatusText.wrapped($0) }.joined(separator: "\n")
        return lines.joined(separator: "\n") + "\n\n" + table.text + "\n\n" + meaning
            + "\n(\(elapsedMilliseconds) ms)"
    }

    private func seen(_ address: String?) -> String { address.map { ", seen as \($0)" } ?? "" }

    private static func milliseconds(_ microseconds: UInt64?) -> String {
        microseconds.map { "\(Double(($0 + 50) / 100) / 10) ms" } ?? "-"
    }
}

extension StatusText {
    /// A sentence in lines of at most 100 columns.
    static func wrapped(_ sentence: String) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in sentence.split(separator: " ") {
            if !line.isEmpty, line.count + word.count >= widthMax {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        return lines + [line]
    }
}
