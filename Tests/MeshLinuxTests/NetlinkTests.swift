import MeshBase
import MeshLinux
import MeshTestSupport
import Testing

@Suite struct NetlinkTests {
    @Test func linksAndTheirAddressesMakeASnapshot() throws {
        let bytes =
            Netlink.link(index: 1, name: "lo", flags: 0x49)
            + Netlink.link(index: 7, name: "tap0", flags: 0x41, attributes: Netlink.attribute(10, number: 9))
            + Netlink.link(index: 9, name: "br0", flags: 0x41)
            + Netlink.link(index: 3, name: "eth0.5", flags: 0x01, attributes: Netlink.attribute(5, number: 2))
            + Netlink.link(
                index: 4, name: "veth", flags: 0x51,
                attributes: Netlink.attribute(5, number: 2) + Netlink.attribute(37, number: 0))
            + Netlink.address(index: 9, [192, 0, 2, 1], prefixLength: 24)
            + Netlink.address(index: 4, [10, 0, 0, 1], prefixLength: 32, other: [10, 0, 0, 2], flags: 0x81)
            + Netlink.done()
        let parsed = try parse(bytes)
        #expect(parsed.messages.last == .end(errno: 0))
        var builder = NetworkSnapshotBuilder()
        for message in parsed.messages { builder.add(message) }
        let interfaces = builder.snapshot.interfaces
        #expect(interfaces.map(\.name) == ["lo", "eth0.5", "veth", "tap0", "br0"])
        #expect(interfaces.map(\.isUp) == [true, false, true, true, true])
        #expect(interfaces.map(\.isLoopback) == [true, false, false, false, false])
        #expect(interfaces.map(\.isPointToPoint) == [false, false, true, false, false])
        #expect(interfaces.map(\.masterIndex) == [nil, nil, nil, 9, nil])
        #expect(interfaces.map(\.parentIndex) == [nil, 2, nil, nil, nil], "a parent in another namespace is none")
        #expect(interfaces[4].addresses.map(\.address.description) == ["192.0.2.1/24"])
        #expect(interfaces[2].addresses.map(\.address.description) == ["10.0.0.1/32"], "the own end of the link")
        #expect(interfaces[2].addresses.map(\.isTemporary) == [false], "of version 4 the bit means something else")
    }

    @Test(
        arguments: [
            (UInt32(0x80), true, false), (0x01, true, true), (0x20, false, false), (0x40, false, false),
            (0x48, false, false), (0x04, true, false),
        ])
    func version6AddressesThatMayNotBeUsedAreLeftOut(flags: UInt32, isUsable: Bool, isTemporary: Bool) throws {
        let address = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 1, count: 12)
        let bytes =
            Netlink.link(index: 2, name: "eth0", flags: 0x41)
            + Netlink.address(index: 2, address, prefixLength: 64, flags: flags)
        var builder = NetworkSnapshotBuilder()
        for message in try parse(bytes).messages { builder.add(message) }
        #expect(builder.snapshot.interfaces[0].addresses.map(\.isTemporary) == (isUsable ? [isTemporary] : []))
    }

    @Test func errorsInterruptionsAndOtherMessagesAreTold() throws {
        let refused = try parse(Netlink.message(2, Netlink.number(UInt32(bitPattern: -101))))
        #expect(refused.messages == [.end(errno: 101)])
        let interrupted = try parse(Netlink.message(99, [], flags: 0x10))
        #expect(interrupted.isInterrupted)
        #expect(interrupted.messages == [.other(99)])
    }

    @Test func everyTruncationAndEveryWrongLengthIsRefusedOrShorter() throws {
        let whole = samples()
        let count = try parse(whole).messages.count
        for length in 0..<whole.count {
            let parsed = try? parse(Array(whole.prefix(length)))
            #expect((parsed?.messages.count ?? 0) < count)
        }
        for offset in stride(from: 0, to: whole.count, by: 2) {
            for value: UInt8 in [0, 1, 3, 5, 0xFF] {
                var damaged = whole
                damaged[offset] = value
                fuzzNetlink(damaged)
            }
        }
    }

    @Test func malformedContentsAreRefused() {
        let wrong = [
            Netlink.message(16, [UInt8](repeating: 0, count: 15)),
            Netlink.message(20, [2, 24, 0, 0]),
            Netlink.address(index: 1, [192, 0, 2], prefixLength: 24),
            Netlink.address(index: 1, [192, 0, 2, 1], prefixLength: 33),
            Netlink.message(20, [2, 24, 0, 0, 1, 0, 0, 0]),
            Netlink.link(index: 1, name: "a-name-of-16-byte", flags: 1),
            Netlink.link(index: 1, name: "x", flags: 1, attributes: Netlink.attribute(10, [1, 2])),
        ]
        for bytes in wrong {
            #expect(throws: NetlinkMessages.Malformation.contentWrong) { try parse(bytes) }
        }
    }

    @Test func randomDamageNeverTraps() {
        var generator = SeededGenerator(seed: testSeed())
        func random(_ bound: Int) -> Int { Int(generator.below(UInt64(bound))) }
        let whole = samples()
        var found = 0
        for _ in 0..<30_000 {
            var bytes = whole
            for _ in 0..<random(5) { bytes[random(bytes.count)] = UInt8(random(256)) }
            if random(4) == 0 { bytes.removeLast(random(bytes.count)) }
            found += fuzzNetlink(bytes)
        }
        #expect(found > 0)
    }

    @Test func manyChangesAreLookedAtOnceAndChangesWithoutEndAllTheSame() {
        var debouncer = ChangeDebouncer()
        #expect(debouncer.deadline == nil)
        var now = Instant.zero
        debouncer.changed(at: now)
        #expect(debouncer.deadline == now.advanced(milliseconds: 50))
        let isEarly = debouncer.take(at: now.advanced(milliseconds: 49))
        #expect(!isEarly)
        let isDue = debouncer.take(at: now.advanced(milliseconds: 50))
        #expect(isDue)
        #expect(debouncer.deadline == nil)
        let start = now
        while !debouncer.take(at: now) {
            debouncer.changed(at: now)
            now = now.advanced(milliseconds: 10)
        }
        #expect(now.milliseconds(since: start) == 250)
    }

    /// One message of each kind that the parser looks into.
    private func samples() -> [UInt8] {
        Netlink.link(index: 2, name: "eth0", flags: 0x41, attributes: Netlink.attribute(10, number: 3))
            + Netlink.address(index: 2, [192, 0, 2, 1], prefixLength: 24, other: [192, 0, 2, 2], flags: 0x80)
            + Netlink.address(index: 2, [UInt8](repeating: 0x20, count: 16), prefixLength: 64, flags: 1)
            + Netlink.message(24, [2, 32, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0] + Netlink.attribute(4, number: 2))
            + Netlink.done()
    }

    private func parse(_ bytes: [UInt8]) throws(NetlinkMessages.Malformation) -> NetlinkMessages {
        try NetlinkMessages(parsing: bytes.span.rawBytes)
    }
}

/// Messages as the kernel writes them (linux/rtnetlink.h).
private enum Netlink {
    static func number<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendHostOrder(value)
        return bytes
    }

    static func message(_ type: UInt16, _ content: [UInt8], flags: UInt16 = 2) -> [UInt8] {
        let header =
            number(UInt32(16 + content.count)) + number(type) + number(flags) + number(UInt32(1)) + number(UInt32(0))
        return header + content + [UInt8](repeating: 0, count: (4 - content.count % 4) % 4)
    }

    static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        number(UInt16(4 + value.count)) + number(type) + value
            + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    static func attribute(_ type: UInt16, number value: UInt32) -> [UInt8] { attribute(type, number(value)) }

    static func link(index: UInt32, name: String, flags: UInt32, attributes: [UInt8] = []) -> [UInt8] {
        let header = [0, 0] + number(UInt16(1)) + number(index) + number(flags) + number(UInt32(0))
        return message(16, header + attribute(3, Array(name.utf8) + [0]) + attributes)
    }

    static func address(
        index: UInt32, _ address: [UInt8], prefixLength: UInt8, other: [UInt8]? = nil, flags: UInt32 = 0x80
    ) -> [UInt8] {
        let header = [address.count == 16 ? 10 : 2, prefixLength, UInt8(truncatingIfNeeded: flags), 0] + number(index)
        let local = other == nil ? [] : attribute(2, address)
        return message(20, header + attribute(1, other ?? address) + local + attribute(8, number: flags))
    }

    static func done() -> [UInt8] { message(3, number(UInt32(0))) }
}
