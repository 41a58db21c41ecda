public import MeshBase

/// One line of the emulator's configuration or of its control socket.
///
///     seed NUMBER                                              (first line only)
///     site NAME netns PATH device NAME [mtu BYTES] prefix CIDR [prefix CIDR ...]   (configuration only)
///     leg SITE [up|down] [delay TIME] [jitter TIME] [loss PERCENT] [duplicate PERCENT] [rate RATE] [queue SIZE]
///     pair SITE SITE delay TIME|legs                           one way, both directions; legs: theirs again
///     cut SITE SITE          heal SITE SITE
///     block udp SITE SITE    unblock udp SITE SITE
///     show                                                     counters as JSON
///
/// SITE may be `all` in cut, heal, block and unblock. TIME: `20ms`, `1.5ms`, `200us`, `1s`. PERCENT: `1%`, `0.1%`.
/// RATE: `100mbit`, `500kbit`, `1gbit`, `none`. SIZE: `65536`, `256k`, `1m`. `#` starts a comment.
public enum WanCommand: Equatable, Sendable {
    /// A site to make.
    public struct NewSite: Hashable, Sendable {
        /// What commands call it.
        public var name = ""
        /// Path of its network namespace.
        public var namespacePath = ""
        /// The device made there.
        public var deviceName = ""
        /// The device's MTU in bytes, 1280...2000.
        public var mtu = 1500
        /// Addresses that are reached through it.
        public var prefixes: [InterfaceAddress] = []

        /// A site with nothing filled in.
        public init() {}
    }

    /// A change of a leg; `nil`: stays as it is.
    public struct LegChange: Hashable, Sendable {
        /// One-way delay.
        public var delayNanoseconds: UInt64?
        /// Largest difference from the delay.
        public var jitterNanoseconds: UInt64?
        /// Packets lost of a million.
        public var lossPartsPerMillion: UInt64?
        /// Packets of a million that arrive twice.
        public var duplicatePartsPerMillion: UInt64?
        /// Bits per second; 0: no limit.
        public var bitsPerSecond: UInt64?
        /// Bytes that wait at most.
        public var queueByteCountMax: UInt64?

        /// A change of nothing.
        public init() {}
    }

    /// Sets what the random numbers follow from.
    case seed(UInt64)
    /// Makes a site.
    case site(NewSite)
    /// Changes one or both directions of a site's leg.
    case leg(site: String, up: Bool, down: Bool, LegChange)
    /// Sets a pair's own one-way delay; `nil`: the legs' delays.
    case pair(String, String, delayNanoseconds: UInt64?)
    /// Cuts or heals pairs.
    case cut(String, String, isCut: Bool)
    /// Blocks UDP between pairs, or lets it through again.
    case blockUDP(String, String, isBlocked: Bool)
    /// Asks for the counters.
    case show

    /// Reads a line; `nil` when it is empty or only a comment.
    public static func parse(_ line: some StringProtocol) throws(WanCommandError) -> WanCommand? {
        let bare = String(line.prefix { $0 != "#" })
        var words = bare.split { $0.isWhitespace }.map { String($0) }[...]
        guard let verb = words.popFirst() else { return nil }
        let command = try parse(verb, &words)
        if let word = words.first { throw WanCommandError("'\(word)' is one word too many for '\(verb)'") }
        return command
    }

    private static func parse(_ verb: String, _ words: inout ArraySlice<String>) throws(WanCommandError) -> WanCommand {
        switch verb {
        case "seed": return .seed(try number(word(&words, "a number")))
        case "site": return .site(try site(&words))
        case "leg": return try leg(&words)
        case "pair":
            let (first, second) = try (name(&words), name(&words))
            try expect("delay", &words)
            let text = try word(&words, "a time or 'legs'")
            return .pair(first, second, delayNanoseconds: text == "legs" ? nil : try WanUnits.time(text))
        case "cut", "heal": return .cut(try name(&words), try name(&words), isCut: verb == "cut")
        case "block", "unblock":
            try expect("udp", &words)
            return .blockUDP(try name(&words), try name(&words), isBlocked: verb == "block")
        case "show": return .show
        default:
            throw WanCommandError("'\(verb)' is no command: seed, site, leg, pair, cut, heal, block, unblock, show")
        }
    }

    private static func site(_ words: inout ArraySlice<String>) throws(WanCommandError) -> NewSite {
        var site = NewSite()
        site.name = try name(&words)
        guard site.name != "all" else { throw WanCommandError("a site cannot be called 'all'") }
        while let key = words.popFirst() {
            let value = try word(&words, "a value after '\(key)'")
            switch key {
            case "netns": site.namespacePath = value
            case "device": site.deviceName = value
            case "mtu":
                // 1280: IPv6 (RFC 8200 section 5). 2000: a slot of the emulator holds 2,048 bytes.
                guard let mtu = Int(value), (1280...2000).contains(mtu) else {
                    throw WanCommandError("'\(value)' is no MTU of 1280 to 2000")
                }
                site.mtu = mtu
            case "prefix":
                guard let prefix = InterfaceAddress(text: value) else {
                    throw WanCommandError("'\(value)' is no prefix such as 192.0.2.0/24 or 2001:db8::/64")
                }
                site.prefixes.append(prefix)
            default: throw WanCommandError("'\(key)' is not known of a site: netns, device, mtu, prefix")
            }
        }
        guard !site.namespacePath.isEmpty, !site.deviceName.isEmpty, !site.prefixes.isEmpty else {
            throw WanCommandError("site '\(site.name)' needs netns PATH, device NAME and at least one prefix CIDR")
        }
        return site
    }

    private static func leg(_ words: inout ArraySlice<String>) throws(WanCommandError) -> WanCommand {
        let site = try name(&words)
        var change = LegChange()
        let direction = words.first
        if direction == "up" || direction == "down" { words.removeFirst() }
        while let key = words.popFirst() {
            let value = try word(&words, "a value after '\(key)'")
            switch key {
            case "delay": change.delayNanoseconds = try WanUnits.time(value)
            case "jitter": change.jitterNanoseconds = try WanUnits.time(value)
            case "loss": change.lossPartsPerMillion = try WanUnits.share(value)
            case "duplicate": change.duplicatePartsPerMillion = try WanUnits.share(value)
            case "rate": change.bitsPerSecond = try WanUnits.rate(value)
            case "queue": change.queueByteCountMax = try WanUnits.size(value)
            default:
                throw WanCommandError("'\(key)' is not known of a leg: delay, jitter, loss, duplicate, rate, queue")
            }
        }
        return .leg(site: site, up: direction != "down", down: direction != "up", change)
    }

    private static func word(_ words: inout ArraySlice<String>, _ what: String) throws(WanCommandError) -> String {
        guard let word = words.popFirst() else { throw WanCommandError("\(what) is missing at the end") }
        return word
    }

    private static func name(_ words: inout ArraySlice<String>) throws(WanCommandError) -> String {
        let name = try word(&words, "a site's name")
        let isPlain = name.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-_".utf8.contains($0) }
        guard name.utf8.count <= 32, isPlain else {
            throw WanCommandError("'\(name)' is no site's name: 32 lower-case letters, digits, '-' and '_' at most")
        }
        return name
    }

    private static func number(_ text: String) throws(WanCommandError) -> UInt64 {
        guard let number = UInt64(text) else { throw WanCommandError("'\(text)' is no number") }
        return number
    }

    private static func expect(_ keyword: String, _ words: inout ArraySlice<String>) throws(WanCommandError) {
        guard try word(&words, "'\(keyword)'") == keyword else {
            throw WanCommandError("'\(keyword)' was expected after the names")
        }
    }
}

/// Why a command was refused.
public struct WanCommandError: Error, Hashable, Sendable, CustomStringConvertible {
    /// In words, naming what was found and what is expected.
    public let description: String
    /// Makes an error of its words.
    package init(_ description: String) { self.description = description }
}
