import MeshBase
import MeshLinux
import Synchronization
import Testing

@Suite(.enabledForRoot) struct InterfaceMonitorTests {
    @Test func changesOfAddressesAndLinksAreToldWithinASecond() throws {
        try inNewNetworkNamespace { () throws in
            try set(
                "ip link set lo up; ip link add near0 type veth peer name far0; ip link set near0 up; ip link set far0 up"
            )
            let latest = Mutex(NetworkSnapshot())
            let monitor = try InterfaceMonitor { snapshot in latest.withLock { $0 = snapshot } }
            defer { monitor.stop() }
            func expectTold(_ command: String, _ condition: (NetworkInterface) -> Bool) throws {
                try set(command)
                let start = BootClock.now()
                let isTold = try waitUntil {
                    latest.withLock { $0.interfaces.first { $0.name == "near0" } }.map(condition) ?? false
                }
                #expect(isTold && BootClock.now().milliseconds(since: start) < 1_000, "\(command)")
            }
            func texts(_ interface: NetworkInterface) -> [String] { interface.addresses.map(\.address.description) }
            try expectTold("true") { $0.isUp && !$0.isLoopback }
            try expectTold("ip address add 192.0.2.1/24 dev near0") { texts($0).contains("192.0.2.1/24") }
            try expectTold("ip address add 2001:db8::1/64 dev near0 nodad") { texts($0).contains("2001:db8::1/64") }
            try expectTold("ip address change 2001:db8::1/64 dev near0 preferred_lft 0") {
                !texts($0).contains("2001:db8::1/64")
            }
            try expectTold("ip address del 192.0.2.1/24 dev near0") { !texts($0).contains("192.0.2.1/24") }
            try expectTold("ip link set far0 down") { !$0.isUp }
            try expectTold("ip link set far0 up") { $0.isUp }
            try expectTold("ip link set near0 down") { !$0.isUp }
            #expect(monitor.counters.failureCount == 0)
            #expect(monitor.counters.toldCount <= monitor.counters.readCount)
        }
    }

    @Test func manyInterfacesAreReadAndChangesAtOnceAreToldTogether() throws {
        try inNewNetworkNamespace { () throws in
            let latest = Mutex(NetworkSnapshot())
            let monitor = try InterfaceMonitor { snapshot in latest.withLock { $0 = snapshot } }
            defer { monitor.stop() }
            let commands = (0..<100).map {
                "link add near\($0) type veth peer name far\($0)\naddress add 10.1.\($0).1/24 dev near\($0)\n"
            }
            try set("printf '\(commands.joined())' | ip -batch -")
            let isTold = try waitUntil {
                latest.withLock { $0.interfaces.count { $0.addresses.count == 1 && $0.name.hasPrefix("near") } } == 100
            }
            #expect(isTold)
            #expect(monitor.counters.toldCount < 50)
        }
    }

    @Test func aStoppedMonitorTellsNothing() throws {
        try inNewNetworkNamespace { () throws in
            let count = Mutex(0)
            let monitor = try InterfaceMonitor { _ in count.withLock { $0 += 1 } }
            #expect(try waitUntil { count.withLock { $0 } == 1 })
            monitor.stop()
            monitor.stop()
            try set("ip link set lo up")
            #expect(count.withLock { $0 } == 1)
        }
    }

    @Test func theTapAndItsBridgeGiveNoCandidatesAndAreKnownAsRoutes() throws {
        try inNewNetworkNamespace { () throws in
            let device = try TapDevice(.init(addresses: [try #require(InterfaceAddress(text: "10.10.10.3/24"))]))
            try set(
                """
                ip link set lo up; ip link add br0 type bridge; ip link set br0 up
                ip link set chr-001 master br0; ip address add 10.10.11.3/24 dev br0
                ip link add uplink0 type veth peer name far0; ip link set uplink0 up; ip link set far0 up
                ip address add 192.0.2.3/24 dev uplink0; ip address add 2001:db8::3/64 dev uplink0 nodad
                ip route add 10.20.0.0/16 via 10.10.11.9; ip route add 10.30.0.0/16 via 192.0.2.9
                ip route add blackhole 10.40.0.0/16
                """)
            let snapshot = try NetworkSnapshot.current()
            let found = snapshot.candidateAddresses(tapName: device.name, overlayPrefixes: [])
            #expect(found.map(\.description) == ["192.0.2.3", "2001:db8::3"])
            func leadsIntoTap(_ text: String) throws -> Bool? {
                let address = try #require(IPAddress(text: text))
                return try RouteLookup.route(to: address).map {
                    snapshot.leadsIntoTap(interfaceIndex: $0.interfaceIndex, tapName: device.name)
                }
            }
            #expect(try leadsIntoTap("10.20.3.4") == true, "through the bridge")
            #expect(try leadsIntoTap("10.10.10.9") == true, "on the TAP")
            #expect(try leadsIntoTap("10.30.3.4") == false)
            #expect(try leadsIntoTap("2001:db8::9") == false)
            #expect(try leadsIntoTap("10.40.3.4") == nil, "a black hole")
            #expect(try leadsIntoTap("203.0.113.1") == nil, "no route")
            #expect(try leadsIntoTap("2001:db8:1::1") == nil, "no route")
            let own = try #require(IPAddress(text: "192.0.2.3"))
            #expect(try RouteLookup.route(to: own)?.isLocal == true)
            for (target, source) in [("10.30.3.4", "192.0.2.3"), ("2001:db8::9", "2001:db8::3")] {
                let address = try #require(IPAddress(text: target))
                #expect(try RouteLookup.route(to: address)?.source?.description == source)
            }
            let marked = try #require(IPAddress(text: "10.30.3.4"))
            try set("ip rule add fwmark 7 table 7; ip route add 10.30.0.0/16 via 10.10.11.9 table 7")
            let route = try RouteLookup.route(to: marked, mark: 7)
            let index = try #require(route?.interfaceIndex)
            #expect(snapshot.leadsIntoTap(interfaceIndex: index, tapName: device.name))
        }
    }

    private func set(_ commands: String) throws {
        let result = try shell("set -e\n\(commands)")
        try #require(result.status == 0, "\(result.output)")
    }
}
