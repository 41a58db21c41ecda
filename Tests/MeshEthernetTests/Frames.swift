import MeshBase
import MeshEthernet

/// Builders of frames, written apart from the code under test.
enum Frames {
    static let broadcast: UInt64 = 0xFFFF_FFFF_FFFF

    /// The low `count` bytes of `value`, most significant first.
    static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    static func ethernet(
        to destination: UInt64, from source: UInt64, type: UInt16 = 0x0800, tags: [(UInt16, UInt16)] = [],
        payload: [UInt8] = [UInt8](repeating: 0, count: 46)
    ) -> [UInt8] {
        let tagBytes = tags.flatMap { bytes(UInt64($0.0), 2) + bytes(UInt64($0.1), 2) }
        return bytes(destination, 6) + bytes(source, 6) + tagBytes + bytes(UInt64(type), 2) + payload
    }

    static func arp(
        operation: UInt16 = 1, senderHardware: UInt64, sender: UInt32, targetHardware: UInt64 = 0, target: UInt32,
        to destination: UInt64 = broadcast, tags: [(UInt16, UInt16)] = []
    ) -> [UInt8] {
        let packet =
            [0, 1, 8, 0, 6, 4] + bytes(UInt64(operation), 2) + bytes(senderHardware, 6) + bytes(UInt64(sender), 4)
            + bytes(targetHardware, 6) + bytes(UInt64(target), 4)
        return ethernet(to: destination, from: senderHardware, type: 0x0806, tags: tags, payload: packet)
    }

    /// An address of version 6 in fe80::/64 that ends in `low`.
    static func linkLocal(_ low: UInt64) -> [UInt8] { bytes(0xFE80_0000_0000_0000, 8) + bytes(low, 8) }

    static func solicitedNode(_ low: UInt64) -> [UInt8] {
        bytes(0xFF02_0000_0000_0000, 8) + bytes(0x1_FF00_0000 | low & 0xFF_FFFF, 8)
    }

    static func solicitation(
        for target: UInt64, from source: [UInt8], by hardware: UInt64, hasOption: Bool = true, to: [UInt8]? = nil,
        tags: [(UInt16, UInt16)] = []
    ) -> [UInt8] {
        let options: [UInt8] = hasOption ? [1, 1] + bytes(hardware, 6) : []
        let message = [135, 0, 0, 0, 0, 0, 0, 0] + linkLocal(target) + options
        let group = 0x3333_FF00_0000 | target & 0xFF_FFFF
        return control(
            message, from: source, to: to ?? solicitedNode(target), hardware: hardware, group: group, tags: tags)
    }

    static func advertisement(
        of target: UInt64, by hardware: UInt64, flags: UInt8 = 0x60, to destination: [UInt8], at receiver: UInt64,
        tags: [(UInt16, UInt16)] = []
    ) -> [UInt8] {
        let message = [136, 0, 0, 0, flags, 0, 0, 0] + linkLocal(target) + [2, 1] + bytes(hardware, 6)
        return control(
            message, from: linkLocal(target), to: destination, hardware: hardware, group: receiver, tags: tags)
    }

    /// An ICMPv6 message with its checksum filled in.
    static func control(
        _ message: [UInt8], from source: [UInt8], to destination: [UInt8], hardware: UInt64, group: UInt64,
        hopLimit: UInt8 = 255, tags: [(UInt16, UInt16)] = []
    ) -> [UInt8] {
        var message = message
        let sum = checksum(source + destination + bytes(UInt64(message.count), 4) + [0, 0, 0, 58] + message)
        message.replaceSubrange(2..<4, with: bytes(UInt64(sum), 2))
        let header = [0x60, 0, 0, 0] + bytes(UInt64(message.count), 2) + [58, hopLimit] + source + destination
        return ethernet(to: group, from: hardware, type: 0x86DD, tags: tags, payload: header + message)
    }

    /// RFC 1071, the slow way.
    static func checksum(_ data: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (index, byte) in data.enumerated() { sum += index % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + (sum >> 16) }
        return ~UInt16(sum)
    }

    static func datagram4(
        to address: UInt32, port: UInt16, fragmentOffset: UInt16 = 0, optionWords: Int = 0, proto: UInt8 = 17
    ) -> [UInt8] {
        [UInt8(0x45 + optionWords), 0, 0, 60, 0, 1] + bytes(UInt64(fragmentOffset), 2) + [64, proto, 0, 0, 10, 0, 0, 9]
            + bytes(UInt64(address), 4) + [UInt8](repeating: 1, count: optionWords * 4) + bytes(5_000, 2)
            + bytes(UInt64(port), 2) + [UInt8](repeating: 0, count: 32)
    }

    static func datagram6(to address: [UInt8], port: UInt16, extensions: [UInt8] = [], next: UInt8 = 17) -> [UInt8] {
        [0x60, 0, 0, 0, 0, 40, next, 64] + linkLocal(9) + address + extensions + bytes(5_000, 2)
            + bytes(UInt64(port), 2) + [UInt8](repeating: 0, count: 32)
    }
}

/// A switch with the arrays that its caller owns, and times in seconds.
struct Bench {
    var ethernet: EthernetSwitch
    var ports: [PortIndex] = []
    var reply: [UInt8] = []

    init(_ configuration: EthernetSwitch.Configuration = .init(), ports count: Int = 3, seed: UInt64 = 1) {
        ethernet = EthernetSwitch(configuration: configuration, seed: seed)
        for value in 0..<count { ethernet.addPort(PortIndex(value: value)) }
    }

    mutating func local(_ frame: [UInt8], at seconds: Double = 1) -> EthernetSwitch.LocalVerdict {
        ethernet.receivedFromLocal(frame.span.rawBytes, at: instant(seconds), ports: &ports, reply: &reply)
    }

    mutating func peer(_ frame: [UInt8], on port: Int, at seconds: Double = 1) -> EthernetSwitch.PeerVerdict {
        ethernet.receivedFromPeer(frame.span.rawBytes, on: PortIndex(value: port), at: instant(seconds))
    }

    mutating func timeout(at seconds: Double) -> [EthernetSwitch.Action] {
        var actions: [EthernetSwitch.Action] = []
        ethernet.handleTimeout(at: instant(seconds), actions: &actions)
        return actions
    }

    /// The numbers of the ports that the last frame goes to.
    var targets: [Int] { ports.map(\.value).sorted() }

    func dropped(_ reason: DropReason) -> UInt64 { ethernet.counters.dropped(reason) }
}

/// Rounded to a microsecond, so that sums of decimal fractions meet their limits exactly.
func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: UInt64((seconds * 1e6).rounded()) * 1_000) }

func port(_ value: Int) -> PortIndex { PortIndex(value: value) }
