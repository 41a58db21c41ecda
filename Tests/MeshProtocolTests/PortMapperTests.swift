import MeshBase
import MeshProtocol
import Testing

/// A gateway that speaks what it is told to, and a mapper that asks it; answers take 5 ms.
private struct GatewayWorld {
    var methods: Set<PortMapper.Method>
    /// Ways that answer a survey and then refuse.
    var refusing: Set<PortMapper.Method> = []
    var knowsLeases = true
    var takenPorts: Set<UInt16> = []
    var lifetimeSeconds: UInt32 = 7_200
    var isChunked = false
    var controlURL = "/control"
    var locationHost = "192.168.1.1"
    var isSilent = false

    static let gateway = IPAddress(text: "192.168.1.1")!
    static let local = IPAddress(text: "192.168.1.20")!
    static let outside = IPAddress(text: "203.0.113.7")!
    static let nonce: [UInt8] = Array(1...12)

    private(set) var mapper: PortMapper
    private(set) var milliseconds: UInt64 = 0
    private(set) var told: [PortMapper.Action] = []
    private(set) var forwarded: [UInt16: PortMapper.Method] = [:]
    private(set) var requests: [String] = []
    private var events: [(at: UInt64, event: Event)] = []

    enum Event {
        case datagram([UInt8], Endpoint)
        case exchanged(Int, [UInt8]?)
    }

    init(_ methods: Set<PortMapper.Method>, isSurvey: Bool = false) {
        self.methods = methods
        let configuration = PortMapper.Configuration(
            gateway: Self.gateway, local: Self.local, port: 7_000, nonce: Self.nonce, isSurvey: isSurvey)!
        mapper = PortMapper(configuration, at: .zero)
    }

    var now: Instant { Instant.zero.advanced(milliseconds: milliseconds) }

    /// Runs until nothing is due before `end`, in milliseconds.
    mutating func run(until end: UInt64) {
        while true {
            let deadline = mapper.deadline.map { $0.milliseconds(since: .zero) + ($0 > now ? 0 : 0) }
            let next = ([deadline, events.map(\.at).min()].compactMap(\.self)).min() ?? end
            guard next < end else { return milliseconds = end }
            milliseconds = max(milliseconds, next)
            let due = events.filter { $0.at <= milliseconds }
            events.removeAll { $0.at <= milliseconds }
            for (_, event) in due {
                switch event {
                case .datagram(let bytes, let source): drive { $0.received(bytes, from: source, at: $1, actions: &$2) }
                case .exchanged(let number, let answer): drive { $0.exchanged(number, answer, at: $1, actions: &$2) }
                }
            }
            if due.isEmpty {
                if let due = mapper.deadline, due > now { milliseconds += 1 }
                drive { $0.timedOut(at: $1, actions: &$2) }
            }
        }
    }

    mutating func release() { drive { $0.release(at: $1, actions: &$2) } }

    mutating func receive(_ bytes: [UInt8], from source: Endpoint) {
        drive { $0.received(bytes, from: source, at: $1, actions: &$2) }
    }

    private mutating func drive(_ body: (inout PortMapper, Instant, inout [PortMapper.Action]) -> Void) {
        var actions: [PortMapper.Action] = []
        body(&mapper, now, &actions)
        for action in actions {
            switch action {
            case .send(let bytes, let remote): take(bytes, remote)
            case .exchange(let number, _, let request):
                let answer = isSilent ? nil : answer(to: String(decoding: request, as: UTF8.self))
                events.append((milliseconds + 5, .exchanged(number, answer)))
            case .mapped, .unmapped, .surveyed, .released: told.append(action)
            }
        }
    }

    private mutating func take(_ bytes: [UInt8], _ remote: Endpoint) {
        guard !isSilent else { return }
        if remote.port == 5351 {
            requests.append("\(bytes[0] == 2 ? "PCP" : "NAT-PMP") \(bytes[1])")
            guard let answer = bytes[0] == 2 ? answerPCP(bytes) : answerNATPMP(bytes) else { return }
            events.append((milliseconds + 5, .datagram(answer, remote)))
        } else if methods.contains(.upnp), bytes.starts(with: Array("M-SEARCH * ".utf8)) {
            let answer =
                "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                + "Location: http://\(locationHost):5000/root.xml\r\n\r\n"
            events.append((milliseconds + 5, .datagram(Array(answer.utf8), .init(address: Self.gateway, port: 1900))))
        }
    }

    private mutating func answerPCP(_ bytes: [UInt8]) -> [UInt8]? {
        guard methods.contains(.pcp) else {
            // A gateway of NAT-PMP only (RFC 6886 section 3.5).
            return methods.contains(.natPMP) ? [0, bytes[1] + 128, 0, 1, 0, 0, 0, 9] : nil
        }
        var answer: [UInt8] = [2, bytes[1] | 128, 0, bytes[1] == 1 && refusing.contains(.pcp) ? 2 : 0]
        let asked = bytes[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        answer += big(asked == 0 ? 0 : lifetimeSeconds) + [0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
        guard bytes[1] == 1, answer[3] == 0 else { return answer }
        let port = UInt16(bytes[42]) << 8 | UInt16(bytes[43])
        forwarded[port] = asked == 0 ? nil : .pcp
        return answer + bytes[24..<44] + [UInt8](repeating: 0, count: 10) + [255, 255] + Self.outside.bytes
    }

    private mutating func answerNATPMP(_ bytes: [UInt8]) -> [UInt8]? {
        guard methods.contains(.natPMP) else { return nil }
        if bytes[1] == 0 { return [0, 128, 0, 0, 0, 0, 0, 9] + Self.outside.bytes }
        if refusing.contains(.natPMP) { return [0, 129, 0, 2, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 8) }
        let asked = bytes[8..<12].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        if asked == 0 {
            forwarded = [:]
        } else {
            forwarded[UInt16(bytes[6]) << 8 | UInt16(bytes[7])] = .natPMP
        }
        return [0, 129, 0, 0, 0, 0, 0, 9] + bytes[4..<8] + big(asked == 0 ? 0 : lifetimeSeconds)
    }

    private func big(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

    private mutating func answer(to request: String) -> [UInt8]? {
        requests.append(String(request.prefix { $0 != "\r\n" }))
        if request.hasPrefix("GET /root.xml ") {
            return http(
                200,
                "<root><device><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
                    + "<controlURL>\(controlURL)</controlURL></service></device></root>")
        }
        guard request.hasPrefix("POST /control ") else { return nil }
        if request.contains("#GetExternalIPAddress\"") {
            return http(200, "<a><NewExternalIPAddress>\(Self.outside)</NewExternalIPAddress></a>")
        }
        let port = field("NewExternalPort", request).flatMap { UInt16($0) } ?? 0
        if request.contains("#DeletePortMapping\"") {
            forwarded[port] = nil
            return http(200, "<a/>")
        }
        if refusing.contains(.upnp) { return http(500, "<errorCode>501</errorCode>") }
        if takenPorts.contains(port) { return http(500, "<errorCode>718</errorCode>") }
        if !knowsLeases, field("NewLeaseDuration", request) != "0" { return http(500, "<errorCode>725</errorCode>") }
        forwarded[port] = .upnp
        return http(200, "<a/>")
    }

    private func field(_ name: String, _ text: String) -> String? {
        guard let start = text.firstRange(of: "<\(name)>"), let end = text.firstRange(of: "</\(name)>") else {
            return nil
        }
        return String(text[start.upperBound..<end.lowerBound])
    }

    private func http(_ status: Int, _ body: String) -> [UInt8] {
        let head = "HTTP/1.1 \(status) Some\r\nServer: test\r\n"
        guard isChunked else { return Array((head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8) }
        let half = body.prefix(body.count / 2)
        let chunks = [half, body.dropFirst(half.count)].map { "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n" }
        return Array((head + "Transfer-Encoding: chunked\r\n\r\n" + chunks.joined() + "0\r\n\r\n").utf8)
    }
}

@Suite struct PortMapperTests {
    private let external = Endpoint(address: GatewayWorld.outside, port: 7_000)

    @Test(arguments: PortMapper.Method.allCases)
    func aGatewayForwardsByWhateverItSpeaks(method: PortMapper.Method) {
        var world = GatewayWorld([method])
        world.run(until: 2_000)
        #expect(world.told == [.surveyed([method]), .mapped(external, method, lifetimeSeconds: 7_200)])
        #expect(world.forwarded == [7_000: method])
        world.release()
        world.run(until: 3_000)
        #expect(world.forwarded.isEmpty && world.told.last == .released && world.mapper.deadline == nil)
    }

    @Test func theBestThatAnswersIsTakenAndOnlyOneMappingIsMade() {
        var world = GatewayWorld(Set(PortMapper.Method.allCases))
        world.run(until: 2_000)
        #expect(world.told.contains(.mapped(external, .pcp, lifetimeSeconds: 7_200)))
        #expect(world.requests.filter { $0 == "PCP 1" || $0 == "NAT-PMP 1" }.count == 1)
        var second = GatewayWorld([.natPMP, .upnp])
        second.run(until: 2_000)
        #expect(second.told.contains(.mapped(external, .natPMP, lifetimeSeconds: 7_200)))
        #expect(second.forwarded == [7_000: .natPMP])
    }

    @Test func whoRefusesIsFollowedByTheNext() {
        var world = GatewayWorld(Set(PortMapper.Method.allCases))
        world.refusing = [.pcp, .natPMP]
        world.run(until: 3_000)
        #expect(world.forwarded == [7_000: .upnp] && world.told.filter { "\($0)".hasPrefix("surveyed") }.count == 1)
        world = GatewayWorld([.pcp])
        world.refusing = [.pcp]
        world.run(until: 5_000)
        #expect(world.forwarded.isEmpty && world.told == [.surveyed([.pcp])])
        // Ten minutes later it is asked again.
        world.refusing = []
        world.run(until: 700_000)
        #expect(world.forwarded == [7_000: .pcp])
    }

    @Test func aMappingIsRenewedInTimeAndComesBackAfterTheGatewayForgot() {
        for method in PortMapper.Method.allCases {
            var world = GatewayWorld([method])
            world.lifetimeSeconds = 120
            world.run(until: 2_000)
            let before = world.requests.count
            world.run(until: 660_000)
            #expect(world.requests.count > before, "\(method)")
            #expect(world.told.filter { $0 == .unmapped }.isEmpty)
            world.isSilent = true
            world.run(until: 1_300_000)
            #expect(world.told.last == .unmapped, "\(method)")
            world.isSilent = false
            world.run(until: 2_500_000)
            #expect(world.told.last.map { "\($0)".hasPrefix("mapped") } == true, "\(method)")
        }
    }

    @Test func aGatewayWithoutLeasesAndTakenPortsAreCopedWith() {
        var world = GatewayWorld([.upnp])
        (world.knowsLeases, world.takenPorts, world.isChunked) = (false, [7_000], true)
        world.run(until: 3_000)
        #expect(world.forwarded.count == 1 && world.forwarded[7_000] == nil)
        #expect(world.told.count == 2)
    }

    @Test func onlyTheGatewayIsBelieved() {
        var world = GatewayWorld([])
        world.run(until: 10)
        let answer: [UInt8] = [2, 129, 0, 0, 0, 0, 14, 16, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
        let grant = GatewayWorld.nonce + [17, 0, 0, 0, 0x1B, 0x58, 0x1B, 0x58] + [UInt8](repeating: 0, count: 10)
        let whole = answer + grant + [255, 255, 203, 0, 113, 66]
        // Unasked, from elsewhere, from another port.
        for source in ["192.168.1.1:5351", "192.168.1.66:5351", "192.168.1.1:5352", "203.0.113.7:5351"] {
            world.receive(whole, from: Endpoint(text: source)!)
        }
        world.run(until: 2_000)
        #expect(world.told == [.surveyed([])] && world.mapper.ignoredCount >= 3)
    }

    @Test func anotherNonceOrPortIsNotOurs() {
        var world = GatewayWorld([.pcp])
        world.isSilent = true
        world.run(until: 10)
        world.receive(
            [2, 128, 0, 0] + [UInt8](repeating: 0, count: 20), from: .init(address: GatewayWorld.gateway, port: 5351))
        let head: [UInt8] = [2, 129, 0, 0, 0, 0, 14, 16, 0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
        let tail: [UInt8] = [UInt8](repeating: 0, count: 10) + [255, 255, 203, 0, 113, 66]
        let others: [[UInt8]] = [
            [UInt8](repeating: 9, count: 12) + [17, 0, 0, 0, 0x1B, 0x58, 0x1B, 0x58],
            GatewayWorld.nonce + [17, 0, 0, 0, 0x1B, 0x59, 0x1B, 0x58],
            GatewayWorld.nonce + [6, 0, 0, 0, 0x1B, 0x58, 0x1B, 0x58],
        ]
        for other in others {
            world.receive(head + other + tail, from: .init(address: GatewayWorld.gateway, port: 5351))
        }
        #expect(world.told == [.surveyed([.pcp])])
    }

    @Test(arguments: ["192.168.1.66", "203.0.113.7", "gateway.example", "[fd00::1]", "192.168.1.1@evil"])
    func descriptionsOfOthersAreNotFetched(host: String) {
        var world = GatewayWorld([.upnp])
        world.locationHost = host
        world.run(until: 2_000)
        #expect(world.told == [.surveyed([])] && world.requests.allSatisfy { !$0.hasPrefix("GET") })
    }

    @Test(arguments: ["http://192.168.1.66/control", "http://203.0.113.7:80/control", "/a b", "/a\r\nHost: x"])
    func requestsGoToTheGatewayOnly(url: String) {
        var world = GatewayWorld([.upnp])
        world.controlURL = url
        world.run(until: 2_000)
        #expect(world.told == [.surveyed([])] && world.requests.allSatisfy { !$0.hasPrefix("POST") })
    }

    @Test func uselessGrantsAreRefused() {
        var world = GatewayWorld([.natPMP])
        world.lifetimeSeconds = 0
        world.run(until: 5_000)
        #expect(world.told == [.surveyed([.natPMP])])
    }

    @Test func aSurveyMapsNothing() {
        var world = GatewayWorld(Set(PortMapper.Method.allCases), isSurvey: true)
        world.run(until: 5_000)
        #expect(world.told == [.surveyed(Set(PortMapper.Method.allCases))] && world.forwarded.isEmpty)
        #expect(world.mapper.deadline == nil)
        var silent = GatewayWorld([], isSurvey: true)
        silent.run(until: 5_000)
        #expect(silent.told == [.surveyed([])] && silent.requests.count <= 6)
    }
}
