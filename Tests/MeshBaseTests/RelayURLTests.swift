import MeshBase
import Testing

@Suite struct RelayURLTests {
    @Test func hostPortAndPathAreTakenApart() throws {
        let url = try RelayURL("wss://Relay.Example:8443/mesh?x=1")
        #expect(url.server.host == "relay.example")
        #expect(url.server.port == 8443)
        #expect(url.path == "/mesh?x=1")
        #expect(url.description == "wss://relay.example:8443/mesh?x=1")
    }

    @Test func portAndPathHaveDefaults() throws {
        for text in ["wss://relay.example", "WSS://relay.example/"] {
            let url = try RelayURL(text)
            #expect(url.server.port == 443)
            #expect(url.path == "/shadowmesh/v1")
        }
    }

    @Test func version6LiteralsStandInBrackets() throws {
        let url = try RelayURL("wss://[2001:DB8::1]:444/x")
        #expect(url.server.host == "2001:db8::1")
        #expect(url.server.description == "[2001:db8::1]:444")
        #expect(try RelayURL(url.description) == url)
    }

    @Test func theShortestTextIsShown() throws {
        let forms = [
            ("wss://a.example", "wss://a.example"), ("WSS://a.example:443/", "wss://a.example"),
            ("wss://a.example:8443/x/y", "wss://a.example:8443/x/y"), ("wss://[::1]", "wss://[::1]"),
            ("wss://1.2.3.4/m", "wss://1.2.3.4/m"), ("wss://a:1443/shadowmesh/v1", "wss://a:1443"),
        ]
        for (text, shown) in forms { #expect(try RelayURL(text).description == shown) }
    }

    @Test(arguments: ["ws://a", "https://a", "relay.example", "", "://a"])
    func onlySecureWebSocketsAreAccepted(text: String) {
        #expect(throws: RelayURLError.notSecureWebSocket(text)) { try RelayURL(text) }
    }

    @Test(arguments: [
        "wss://", "wss:///x", "wss://user@host", "wss://a b", "wss://[::1", "wss://[1.2.3.4]", "wss://[::1]x",
        "wss://::1",
        "wss://:443", "wss://u@a", "wss://a..b", "wss://-a", "wss://ä.example", "wss://[fe80::1%eth0]",
    ])
    func unusableHostsAreRefused(text: String) {
        #expect(throws: RelayURLError.badHost(text)) { try RelayURL(text) }
    }

    @Test(arguments: ["wss://a:0", "wss://a:65536", "wss://a:", "wss://a:+1", "wss://a:x", "wss://[::1]:"])
    func unusablePortsAreRefused(text: String) {
        #expect(throws: RelayURLError.badPort(text)) { try RelayURL(text) }
    }

    @Test(arguments: ["wss://a/x y", "wss://a/x#y", "wss://a?x", "wss://a/\u{7F}", "wss://a/ä"])
    func unusablePathsAreRefused(text: String) {
        #expect(throws: RelayURLError.badPath(text)) { try RelayURL(text) }
    }
}
