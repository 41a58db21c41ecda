import Glibc
import MeshBase
import MeshDataPlane
import MeshLinux
import Testing

@Suite struct TapDeviceTests {
    @Test(.enabledForRoot) func theDeviceIsAsAskedAndGoneAfterwards() throws {
        try inNewNetworkNamespace { () throws in
            let addresses = try ["10.10.10.3/24", "10.10.11.3/32", "fd00::3/64"].map {
                try #require(InterfaceAddress(text: $0))
            }
            let macAddress = EthernetAddress(text: "02:11:22:33:44:55")
            do {
                let device = try TapDevice(.init(macAddress: macAddress, mtu: 1380, addresses: addresses))
                #expect(device.name == "chr-001")
                #expect(device.macAddress == macAddress)
                #expect(device.mtu == 1380)
                let link = try shell("ip link show dev chr-001").output
                #expect(link.contains("mtu 1380"))
                #expect(link.contains("link/ether 02:11:22:33:44:55"))
                #expect(link.contains(",UP"))
                let shown = try shell("ip address show dev chr-001").output
                #expect(shown.contains("inet 10.10.10.3/24 brd 10.10.10.255"))
                #expect(shown.contains("inet 10.10.11.3/32 scope"))
                #expect(shown.contains("inet6 fd00::3/64"))
                #expect(shown.contains("inet6 fe80::11:22ff:fe33:4455/64 scope link"))
            }
            #expect(try shell("ip link show dev chr-001").status != 0)
        }
    }

    @Test(.enabledForRoot) func theCapabilityToAdministerTheNetworkIsEnough() throws {
        try inNewNetworkNamespace { () throws in
            try ThreadNamespace.keepNetworkAdministrationOnly()
            let address = try #require(InterfaceAddress(text: "fd00::1/64"))
            let device = try TapDevice(.init(name: "tap-caps", addresses: [address]))
            #expect(!device.macAddress.isGroup)
            #expect(device.mtu == 1400)
        }
    }

    @Test(
        .enabledForRoot,
        arguments: [
            "ip link add chr-001 type veth peer name other", "ip tuntap add chr-001 mode tap",
            "ip tuntap add chr-001 mode tun",
        ])
    func aNameInUseIsNeverTakenOver(command: String) throws {
        try inNewNetworkNamespace { () throws in
            #expect(try shell(command).status == 0)
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init()) }
            #expect(error == .nameInUse("chr-001"))
            #expect(error?.description.contains("choose another TAP name") == true)
            #expect(try shell("ip link show dev chr-001").status == 0)
        }
    }

    @Test(.enabledForRoot) func twoDevicesOfOneNameAreNotPossible() throws {
        try inNewNetworkNamespace { () throws in
            let first = try TapDevice(.init())
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init()) }
            #expect(error == .nameInUse("chr-001"))
            #expect(first.name == "chr-001")
        }
    }

    @Test(.enabledForRoot) func eachFlowComesByTheQueueThatItWasWrittenToLast() throws {
        try inNewNetworkNamespace { () throws in
            _ = try shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
            let address = try #require(InterfaceAddress(text: "10.9.0.1/24"))
            let device = try TapDevice(.init(addresses: [address], offloads: .all, hasQueues: true))
            let second = try device.anotherQueue()
            let shapes = [(device.name, device.offloads, device.mtu), (second.name, second.offloads, second.mtu)]
            #expect(shapes[0] == shapes[1])
            #expect(try shell("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev chr-001 nud permanent").status == 0)
            let host = EchoHost(address: [10, 9, 0, 2])
            let queues = [TapPort(device), TapPort(second)]
            let output = TapOutput(ports: queues)
            let input = TapInput(headerByteCount: queues[0].device.headerByteCount)
            // Requests come by any queue, once answered by that of the answer: the last one is sent 1 s after the first.
            for chosen in [1, 0, 1] {
                var places: [Int] = []
                #expect(try shell("ping -c 6 -i 0.2 -W 5 10.9.0.2 >/dev/null 2>&1 &").status == 0)
                let isAnswered = try waitUntil {
                    for place in queues.indices {
                        guard (try? input.fill(from: queues[place].device)) != nil else { return false }
                        input.forEachFrame { frame, _ in
                            guard let answer = host.answer(frame.bytes) else { return }
                            places.append(place)
                            // SAFETY: the answer is written before its memory ends.
                            unsafe output.append(answer.span.rawBytes, queue: chosen)
                            output.flush()
                        }
                    }
                    return places.count >= 6
                }
                #expect(isAnswered && places.last == chosen, "\(places)")
            }
        }
    }

    @Test(.enabledForRoot) func aDeviceWithoutQueuesHasOne() throws {
        try inNewNetworkNamespace { () throws in
            let port = try TapPort(TapDevice(.init()))
            #expect(port.queues(countMax: 4).count == 1)
        }
    }

    @Test(.enabledForRoot) func withoutTheCapabilityTheErrorNamesIt() throws {
        try inNewNetworkNamespace { () throws in
            try ThreadNamespace.keepNoCapabilities()
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init()) }
            #expect(error == .system(SystemCallError(call: "TUNSETIFF", subject: "chr-001", errno: EPERM)))
            #expect(error?.description.contains("CAP_NET_ADMIN") == true)
        }
    }

    @Test(.enabledForRoot) func withoutTheDriverTheErrorSaysHowToLoadIt() throws {
        try inNewNetworkNamespace { () throws in
            try ThreadNamespace.unshareMounts()
            #expect(try shell("mount -t tmpfs none /dev/net").status == 0)
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init()) }
            #expect(error == .system(SystemCallError(call: "open", subject: "/dev/net/tun", errno: ENOENT)))
            #expect(error?.description.contains("modprobe tun") == true)
        }
    }

    @Test(arguments: ["", "0123456789abcdef", "a b", "a/b", "a:b", "tap%d", ".", "..", "ü", "a\u{0}b"])
    func aNameTheKernelWouldRefuseOrChangeIsRefused(name: String) {
        let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init(name: name)) }
        #expect(error == .nameInvalid(name))
    }

    @Test func impossibleMACAddressesAndMTUsAreRefused() throws {
        let group = try #require(EthernetAddress(text: "03:00:00:00:00:01"))
        for address in [group, .broadcast, EthernetAddress(value: 0)] {
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init(macAddress: address)) }
            #expect(error == .macAddressInvalid(address.description))
        }
        for mtu in [-1, 0, 67, 65_522] {
            let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init(mtu: mtu)) }
            #expect(error == .mtuInvalid(mtu))
        }
        let version6 = try #require(InterfaceAddress(text: "fd00::1/64"))
        let error = #expect(throws: TapDeviceError.self) { _ = try TapDevice(.init(mtu: 1279, addresses: [version6])) }
        #expect(error == .mtuInvalid(1279))
    }
}
