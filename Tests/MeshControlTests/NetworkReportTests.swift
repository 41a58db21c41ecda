import MeshControl
import Testing

@Suite struct NetworkReportTests {
    private func report(_ type: String, forwards: Bool = false, udp: Bool = true, version6: Bool = false)
        -> NetworkReport
    {
        var relay = NetworkReport.Relay(url: "wss://relay.example")
        (relay.tcpMicroseconds, relay.udpMicroseconds) = (41_000, udp ? 40_050 : nil)
        var report = NetworkReport(relays: [relay, .init(url: "wss://gone.example")])
        report.nearestRelay = relay.url
        (report.udp, report.ipv4, report.ipv6) = (udp, true, version6)
        report.publicAddressVersion6 = version6 ? "[2001:db8::1]:7000" : nil
        report.nat = NATStatus(
            type: type, mapping: "endpoint-independent", filtering: "address-dependent", keepsPort: true, hairpin: false
        )
        (report.gateway, report.portMapping) = ("192.168.1.1", forwards ? ["PCP", "UPnP"] : [])
        return report
    }

    @Test func eachNetworkIsToldWhatItMeans() {
        let types = ["none", "full cone", "restricted cone", "port-restricted cone", "cone", "symmetric", "unknown"]
        let texts = types.map { report($0).meaning.joined(separator: " ") }
        #expect(texts.allSatisfy { !$0.isEmpty } && Set(texts).count == 4)
        #expect(texts[5].contains("stay on a relay"))
        #expect(report("symmetric", forwards: true).meaning.joined().contains("whatever NAT"))
        #expect(report("symmetric", version6: true).meaning.last?.contains("IPv6") == true)
        #expect(report("UDP blocked", udp: false).meaning.first?.contains("TCP") == true)
        #expect(
            NetworkReport(relays: [.init(url: "wss://gone.example")]).meaning.first?.contains("meets nobody") == true)
    }

    @Test func theTextFitsAHundredColumns() throws {
        for type in ["none", "symmetric", "UDP blocked"] {
            var report = report(type, forwards: type == "none")
            report.direct = report.meaning
            let lines = report.text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.allSatisfy { $0.count <= 100 }, "\(report.text)")
            #expect(report.text.contains("nearest") && report.text.contains("40.1 ms"))
            let json = try StatusText.json(report)
            #expect(json.contains("\"nearest_relay\" : \"wss://relay.example\"") && json.contains("\"port_mapping\""))
        }
    }
}
