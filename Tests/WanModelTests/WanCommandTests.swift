import MeshBase
import Testing
import WanModel

@Suite struct WanCommandTests {
    @Test func everyCommandIsRead() throws {
        #expect(try WanCommand.parse("seed 42") == .seed(42))
        #expect(try WanCommand.parse("pair a b delay 1.5ms") == .pair("a", "b", delayNanoseconds: 1_500_000))
        #expect(try WanCommand.parse("pair a b delay legs") == .pair("a", "b", delayNanoseconds: nil))
        #expect(try WanCommand.parse("cut a all # both") == .cut("a", "all", isCut: true))
        #expect(try WanCommand.parse(" heal a b ") == .cut("a", "b", isCut: false))
        #expect(try WanCommand.parse("block udp a b") == .blockUDP("a", "b", isBlocked: true))
        #expect(try WanCommand.parse("unblock udp a b") == .blockUDP("a", "b", isBlocked: false))
        #expect(try WanCommand.parse("show") == .show)
        #expect(try WanCommand.parse("  # nothing") == nil)
        var change = WanCommand.LegChange()
        change.delayNanoseconds = 200_000
        change.jitterNanoseconds = 1_000_000_000
        change.lossPartsPerMillion = 1000
        change.duplicatePartsPerMillion = 20_000
        change.bitsPerSecond = 100_000_000
        change.queueByteCountMax = 262_144
        let line = "leg a up delay 200us jitter 1s loss 0.1% duplicate 2% rate 100mbit queue 256k"
        #expect(try WanCommand.parse(line) == .leg(site: "a", up: true, down: false, change))
    }

    @Test func aSiteIsRead() throws {
        var site = WanCommand.NewSite()
        site.name = "uk-vps"
        site.namespacePath = "/run/netns/x"
        site.deviceName = "wan0"
        site.mtu = 1400
        site.prefixes = [try #require(InterfaceAddress(text: "192.0.2.0/24"))]
        let line = "site uk-vps netns /run/netns/x device wan0 mtu 1400 prefix 192.0.2.0/24"
        #expect(try WanCommand.parse(line) == .site(site))
    }

    @Test(arguments: [
        "fly", "seed", "seed x", "seed 1 2", "cut a", "cut a b c", "block tcp a b", "pair a b", "pair a b delay 1",
        "pair a b delay 61s", "leg a delay", "leg a delay -1ms", "leg a delay 1e3ms", "leg a loss 1", "leg a loss 101%",
        "leg a rate 5", "leg a rate 0mbit", "leg a queue 2048m", "leg a colour red", "leg A delay 1ms", "leg",
        "site a", "site all netns /x device y prefix 10.0.0.0/8", "site a netns /x device y",
        "site a netns /x device y prefix 10.0.0.0", "site a netns /x device y mtu 9000 prefix 10.0.0.0/8",
    ])
    func anythingElseIsRefusedInWords(line: String) {
        let error = #expect(throws: WanCommandError.self) { _ = try WanCommand.parse(line) }
        #expect(error?.description.isEmpty == false)
    }

    @Test func anUnknownSiteIsNamedTogetherWithTheKnown() throws {
        var network = WanNetwork(seed: 1)
        network.addSite("relay", prefixes: [])
        let command = try #require(try WanCommand.parse("cut relay rely"))
        let error = #expect(throws: WanCommandError.self) { _ = try network.apply(command) }
        #expect(error?.description == "'rely' is no site here: relay")
    }
}
