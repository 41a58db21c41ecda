import MeshBase

/// Why a text is not the value a key needs.
struct ScalarProblem: Error {
    var kind: ConfigurationIssue.Kind = .invalidValue
    /// What to do about it, where there is more to say than what was expected.
    var hint: String?
}

/// How the text of one kind of setting is read, and how it is shown.
struct ScalarKind<Value: Sendable>: Sendable {
    /// What is expected, to follow "expected".
    let expected: String
    /// Whether quotes around the text are refused, as for numbers.
    var refusesQuotes = false
    let parse: @Sendable (String) throws(ScalarProblem) -> Value
    let describe: @Sendable (Value) -> String
}

extension ScalarKind where Value == Int {
    /// A whole number of decimal digits in `range`.
    static func integer(_ range: ClosedRange<Int>, unit: String = "") -> ScalarKind {
        let words = unit.isEmpty ? "a whole number" : "a whole number of \(unit)"
        return ScalarKind(
            expected: "\(words) from \(range.lowerBound) to \(range.upperBound)", refusesQuotes: true,
            parse: { text throws(ScalarProblem) in
                let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
                guard Int(decimalDigits: digits) != nil else {
                    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
                    throw ScalarProblem(kind: isNumber ? .outOfRange : .wrongType)
                }
                guard let value = Int(text), range.contains(value) else { throw ScalarProblem(kind: .outOfRange) }
                return value
            },
            describe: { String($0) })
    }

    /// A number of bytes in `range`, plain or with the unit KiB or MiB.
    static func byteCount(_ range: ClosedRange<Int>) -> ScalarKind {
        ScalarKind(
            expected:
                "a number of bytes from \(range.lowerBound) to \(range.upperBound), such as 65536, 64 KiB or 4 MiB",
            parse: { text throws(ScalarProblem) in
                let units = [("KiB", 1024), ("MiB", 1024 * 1024), ("GiB", 1024 * 1024 * 1024)]
                let unit = units.first { text.hasSuffix($0.0) }
                var digits = text[...]
                if unit != nil { digits = digits.dropLast(3) }
                while digits.last == " " { digits = digits.dropLast() }
                guard let count = Int(decimalDigits: digits) else { throw ScalarProblem(kind: .wrongType) }
                let (bytes, overflowed) = count.multipliedReportingOverflow(by: unit?.1 ?? 1)
                guard !overflowed, range.contains(bytes) else { throw ScalarProblem(kind: .outOfRange) }
                return bytes
            },
            describe: { count in
                if count >= 1 << 20, count % (1 << 20) == 0 { return "\(count >> 20) MiB" }
                if count >= 1 << 10, count % (1 << 10) == 0 { return "\(count >> 10) KiB" }
                return String(count)
            })
    }
}

extension ScalarKind where Value == NodeConfiguration.PacketLoops {
    /// "auto" or a number of threads.
    static var packetLoops: ScalarKind {
        let countMax = NodeConfiguration.PacketLoops.countMax
        return ScalarKind(
            expected: "auto, or a whole number from 1 to \(countMax)",
            parse: { text throws(ScalarProblem) in
                if text == "auto" { return .auto }
                guard let count = Int(decimalDigits: text[...]) else { throw ScalarProblem() }
                guard (1...countMax).contains(count) else { throw ScalarProblem(kind: .outOfRange) }
                return .count(count)
            },
            describe: { loops in
                switch loops {
                case .auto: "auto"
                case .count(let count): String(count)
                }
            })
    }
}

extension ScalarKind where Value == String {
    /// The path of a file. PATH_MAX of Linux is 4,096 with the terminating zero (limits.h).
    static var path: ScalarKind {
        ScalarKind(
            expected: "the path of a file",
            parse: { text throws(ScalarProblem) in
                guard !text.hasPrefix("~") else {
                    throw ScalarProblem(hint: "\"~\" is not expanded; write the whole path")
                }
                guard !text.isEmpty, !text.utf8.contains(0) else { throw ScalarProblem() }
                guard text.utf8.count < 4096 else { throw ScalarProblem(kind: .outOfRange) }
                return text
            },
            describe: { $0 })
    }

    /// The path of a Unix socket: `sun_path` holds 108 bytes with the terminating zero (unix(7)).
    static var socketPath: ScalarKind {
        ScalarKind(
            expected: "the path of a socket, at most 107 bytes",
            parse: { text throws(ScalarProblem) in
                guard !text.isEmpty, !text.utf8.contains(0) else { throw ScalarProblem() }
                guard text.utf8.count <= 107 else { throw ScalarProblem(kind: .outOfRange) }
                return text
            },
            describe: { $0 })
    }

    /// A label of a person's choice: no control characters, at most 63 bytes (as a DNS label), not itself a peer ID.
    static var label: ScalarKind {
        ScalarKind(
            expected: "a name of 1 to 63 bytes without control characters",
            parse: { text throws(ScalarProblem) in
                guard PeerID(text: text) == nil else {
                    throw ScalarProblem(hint: "a name that is itself a peer ID would be ambiguous; use peer_id")
                }
                guard (1...63).contains(text.utf8.count) else { throw ScalarProblem(kind: .outOfRange) }
                let isPrintable = text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
                guard isPrintable else { throw ScalarProblem() }
                return text
            },
            describe: { $0 })
    }

    /// The name of a network interface: 1 to 15 bytes (IFNAMSIZ less the zero), as dev_valid_name() of Linux has it.
    static var interfaceName: ScalarKind {
        ScalarKind(
            expected: "an interface name of 1 to 15 letters, digits, '-', '_' or '.'",
            parse: { text throws(ScalarProblem) in
                guard (1...15).contains(text.utf8.count) else { throw ScalarProblem(kind: .outOfRange) }
                let isAllowed = text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                        true
                    default: false
                    }
                }
                guard isAllowed, text != ".", text != ".." else { throw ScalarProblem() }
                return text
            },
            describe: { $0 })
    }

    /// The name of a group of users (useradd(8): at most 32 characters).
    static var groupName: ScalarKind {
        ScalarKind(
            expected: "the name of a group of users",
            parse: { text throws(ScalarProblem) in
                guard (1...32).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                    throw ScalarProblem()
                }
                return text
            },
            describe: { $0 })
    }
}

extension ScalarKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of the words of an enumeration.
    static var choice: ScalarKind {
        let words = Value.allCases.map(\.rawValue)
        return ScalarKind(
            expected: "one of \(words.joined(separator: ", "))",
            parse: { text throws(ScalarProblem) in
                if let value = Value(rawValue: text) { return value }
                throw ScalarProblem(
                    hint: NearestKey.nearest(to: text, among: words).map { "did you mean \"\($0)\"?" })
            },
            describe: { $0.rawValue })
    }
}

extension ScalarKind where Value == Endpoint {
    /// An address to listen on.
    static var listenAddress: ScalarKind {
        ScalarKind(
            expected: "an IP address and port, such as 0.0.0.0:443 or [::]:443",
            parse: { text throws(ScalarProblem) in
                if let endpoint = Endpoint(text: text) { return endpoint }
                if IPAddress(text: text) != nil { throw ScalarProblem(hint: "the port is missing") }
                throw ScalarProblem()
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == Endpoint? {
    /// An address to listen on, or `off`.
    static var listenAddressOrOff: ScalarKind {
        ScalarKind(
            expected: "an IP address and port, such as 0.0.0.0:3478, or \"off\"",
            parse: { text throws(ScalarProblem) in
                if text == "off" { return nil }
                guard let endpoint = Endpoint(text: text) else { throw ScalarProblem() }
                return endpoint
            },
            describe: { $0?.description ?? "off" })
    }
}

extension ScalarKind where Value == HostAndPort {
    /// Where a peer listens.
    static var hostAndPort: ScalarKind {
        ScalarKind(
            expected: "a host and port, such as host.example:443, 192.0.2.1:443 or [2001:db8::1]:443",
            parse: { text throws(ScalarProblem) in
                guard let value = HostAndPort(text: text) else { throw ScalarProblem() }
                return value
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == RelayURL {
    /// The address of a relay.
    static var relayURL: ScalarKind {
        ScalarKind(
            expected: "an address such as wss://relay.example or wss://192.0.2.1:8443",
            parse: { text throws(ScalarProblem) in
                do throws(RelayURLError) { return try RelayURL(text) } catch {
                    guard case .notSecureWebSocket = error else { throw ScalarProblem() }
                    let lowered = text.lowercased()
                    let isOther = ["ws://", "http://", "https://"].contains(where: lowered.hasPrefix)
                    throw ScalarProblem(hint: isOther ? "relays are reached by wss:// only" : nil)
                }
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == PeerID {
    /// A peer ID in text.
    static var peerID: ScalarKind {
        ScalarKind(
            expected: "a peer ID of 52 characters (a-z, 2-7), as `shadowmesh id` prints it",
            parse: { text throws(ScalarProblem) in
                if let id = PeerID(text: text) { return id }
                throw ScalarProblem(hint: "this has \(text.count) characters")
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == EthernetAddress {
    /// The address of one interface, not of a group.
    static var macAddress: ScalarKind {
        ScalarKind(
            expected: "an Ethernet address of one host, such as 02:00:00:00:00:01",
            parse: { text throws(ScalarProblem) in
                guard let address = EthernetAddress(text: text), address.value != 0 else { throw ScalarProblem() }
                guard !address.isGroup else {
                    throw ScalarProblem(hint: "the first byte is odd, which marks a group; make it even")
                }
                return address
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == InterfaceAddress {
    /// An address with its prefix.
    static var interfaceAddress: ScalarKind {
        ScalarKind(
            expected: "an address with its prefix length, such as 10.42.0.1/24 or fd00::1/64",
            parse: { text throws(ScalarProblem) in
                guard let value = InterfaceAddress(text: text) else {
                    let isBare = IPAddress(text: text) != nil
                    throw ScalarProblem(hint: isBare ? "the prefix length is missing" : nil)
                }
                guard value.address.bytes.contains(where: { $0 != 0 }), value.address.bytes[0] != 0xFF,
                    value.address.isVersion6 || !(224...255).contains(value.address.bytes[0])
                else { throw ScalarProblem(hint: "that is not the address of one host") }
                return value
            },
            describe: { $0.description })
    }
}

extension ScalarKind where Value == [UInt8] {
    /// A public identity in base64 (RFC 4648 section 4); blanks and line ends between characters are skipped.
    static func publicKey(byteCount: Int) -> ScalarKind {
        ScalarKind(
            expected:
                "the base64 of a public identity of \(byteCount) bytes, as `shadowmesh id --public-key` prints it",
            parse: { text throws(ScalarProblem) in
                guard let bytes = Base64.decode(text) else { throw ScalarProblem(hint: "this is not base64") }
                guard bytes.count == byteCount else { throw ScalarProblem(hint: "this has \(bytes.count) bytes") }
                return bytes
            },
            describe: { "\($0.count) bytes" })
    }
}
