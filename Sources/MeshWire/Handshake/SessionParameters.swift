public import MeshBase

/// What each side tells the other, sealed, in RESPONSE and ESTABLISHED: a list of type (2), byte count (2), value.
///
/// Unknown types are skipped. A type that is needed and absent, or that appears twice, is refused.
public struct SessionParameters: Equatable, Sendable {
    /// Larger than 32 candidates and 8 home relays with long addresses need (about 4 KB).
    public static let byteCountMax = 8192
    /// DESIGN section 7: no more addresses than can be probed in one attempt.
    public static let candidatesMax = 32
    /// A peer is dialled at no more relays than this.
    public static let homeRelaysMax = 8

    /// The number that records to the sender of these parameters carry; never 0.
    public var sessionIndex: UInt32
    /// The MTU of the sender's TAP device, 576 to 65,521 bytes.
    public var mtu: UInt16
    /// Seconds without traffic after which the sender sends a heartbeat, 1 to 300.
    public var heartbeatIntervalSeconds: UInt16
    /// Seconds between key rotations, 1 to 86,400; the smaller of both sides counts.
    public var keyRotationIntervalSeconds: UInt32
    /// Whether the sender takes direct paths.
    public var supportsDirect: Bool
    /// Number of lanes the sender receives on, 1 to 255.
    public var lanes: UInt8
    /// Bit set of the superframe kinds that the sender joins; 0 for none.
    public var superframeKinds: UInt8
    /// The token by which the sender can declare this session lost, 16 bytes.
    public var resetToken: [UInt8]
    /// Relays at which the sender is found, at most 8.
    public var homeRelays: [HomeRelay]
    /// Addresses at which the sender may be reached, at most 32.
    public var candidates: [Candidate]

    /// A relay at which a node is found.
    public struct HomeRelay: Equatable, Sendable {
        /// The relay's identity.
        public var id: PeerID
        /// `wss://host:port`, at most 255 bytes of UTF-8.
        public var url: String

        /// Makes an entry.
        public init(id: PeerID, url: String) {
            self.id = id
            self.url = url
        }

        /// Byte count of a URL at most.
        static let urlByteCountMax = 255

        /// The URL's bytes, cut between two characters when there are too many.
        var urlBytes: [UInt8] {
            var text = url[...]
            while text.utf8.count > Self.urlByteCountMax { text.removeLast() }
            return Array(text.utf8)
        }
    }

    /// Makes parameters from their values.
    public init(
        sessionIndex: UInt32, mtu: UInt16, heartbeatIntervalSeconds: UInt16, keyRotationIntervalSeconds: UInt32,
        supportsDirect: Bool, lanes: UInt8 = 1, superframeKinds: UInt8 = 0, resetToken: [UInt8],
        homeRelays: [HomeRelay] = [], candidates: [Candidate] = []
    ) {
        self.sessionIndex = sessionIndex
        self.mtu = mtu
        self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
        self.keyRotationIntervalSeconds = keyRotationIntervalSeconds
        self.supportsDirect = supportsDirect
        self.lanes = lanes
        self.superframeKinds = superframeKinds
        self.resetToken = resetToken
        self.homeRelays = homeRelays
        self.candidates = candidates
    }

    private enum Tag: UInt16 {
        case sessionIndex = 1, mtu, heartbeatInterval, keyRotationInterval, supportsDirect, lanes, superframeKinds
        case resetToken, homeRelay, candidate

        var mayRepeat: Bool { self == .homeRelay || self == .candidate }
        static let required: Set<Tag> = [
            .sessionIndex, .mtu, .heartbeatInterval, .keyRotationInterval, .supportsDirect, .resetToken,
        ]
    }

    /// Parses a parameter block. Throws `WireError`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        self.init(
            sessionIndex: 0, mtu: 0, heartbeatIntervalSeconds: 0, keyRotationIntervalSeconds: 0, supportsDirect: false,
            resetToken: [])
        var reader = WireReader(bytes)
        var seen: Set<Tag> = []
        while reader.remainingByteCount > 0 {
            let type = try reader.readInteger(as: UInt16.self)
            let count = Int(try reader.readInteger(as: UInt16.self))
            let value = try reader.readBytes(count: count)
            guard let tag = Tag(rawValue: type) else { continue }
            guard seen.insert(tag).inserted || tag.mayRepeat else { throw .invalidField(.parameter) }
            try read(tag, from: value.span.rawBytes)
        }
        guard Tag.required.isSubset(of: seen) else { throw .invalidField(.parameter) }
    }

    private mutating func read(_ tag: Tag, from value: RawSpan) throws(WireError) {
        var reader = WireReader(value)
        switch tag {
        case .sessionIndex:
            sessionIndex = try reader.readInteger(as: UInt32.self)
            guard sessionIndex != 0 else { throw .invalidField(.sessionIndex) }
        case .mtu:
            mtu = try reader.readInteger(as: UInt16.self)
            guard (576...65_521).contains(mtu) else { throw .invalidField(.mtu) }
        case .heartbeatInterval:
            heartbeatIntervalSeconds = try reader.readInteger(as: UInt16.self)
            guard (1...300).contains(heartbeatIntervalSeconds) else { throw .invalidField(.interval) }
        case .keyRotationInterval:
            keyRotationIntervalSeconds = try reader.readInteger(as: UInt32.self)
            guard (1...86_400).contains(keyRotationIntervalSeconds) else { throw .invalidField(.interval) }
        case .supportsDirect:
            supportsDirect = try reader.readInteger(as: UInt8.self) != 0
        case .lanes:
            lanes = try reader.readInteger(as: UInt8.self)
            guard lanes > 0 else { throw .invalidField(.lane) }
        case .superframeKinds:
            superframeKinds = try reader.readInteger(as: UInt8.self)
        case .resetToken:
            resetToken = try reader.readBytes(count: SuiteSizes.resetTokenByteCount)
        case .homeRelay:
            guard homeRelays.count < Self.homeRelaysMax else { throw .invalidField(.count) }
            let id = try reader.readPeerID()
            homeRelays.append(HomeRelay(id: id, url: try reader.readText(byteCountMax: HomeRelay.urlByteCountMax)))
        case .candidate:
            try Self.add(value, to: &candidates)
            return
        }
        try reader.requireEnd()
    }

    /// Parses a list of candidates as parameters hold it; other types are skipped. Throws `WireError`.
    static func candidates(parsing bytes: RawSpan) throws(WireError) -> [Candidate] {
        var reader = WireReader(bytes)
        var list: [Candidate] = []
        while reader.remainingByteCount > 0 {
            let type = try reader.readInteger(as: UInt16.self)
            let count = Int(try reader.readInteger(as: UInt16.self))
            let value = try reader.readBytes(count: count)
            guard type == Tag.candidate.rawValue else { continue }
            try add(value.span.rawBytes, to: &list)
        }
        return list
    }

    /// A kind of candidate that a later release may add is skipped, as an unknown type is, and not counted.
    private static func add(_ value: RawSpan, to list: inout [Candidate]) throws(WireError) {
        guard let candidate = try? Candidate(parsing: value) else { return }
        guard list.count < candidatesMax else { throw .invalidField(.count) }
        list.append(candidate)
    }

    /// A list of candidates as parameters hold it: type (2), byte count (2), candidate.
    static func bytes(of candidates: [Candidate]) -> [UInt8] {
        var writer = WireWriter(capacity: 25 * candidates.count)
        for candidate in candidates.prefix(candidatesMax) {
            let value = candidate.bytes
            writer.write(Tag.candidate.rawValue)
            writer.write(UInt16(value.count))
            writer.write(value)
        }
        return writer.bytes
    }

    /// The block on the wire, in the order of the types.
    public var bytes: [UInt8] {
        var writer = WireWriter(capacity: 256)
        func put(_ tag: Tag, _ value: [UInt8]) {
            writer.write(tag.rawValue)
            writer.write(UInt16(value.count))
            writer.write(value)
        }
        func put<Integer: FixedWidthInteger>(_ tag: Tag, _ value: Integer) {
            var field = WireWriter(capacity: 8)
            field.write(value)
            put(tag, field.bytes)
        }
        put(.sessionIndex, sessionIndex)
        put(.mtu, mtu)
        put(.heartbeatInterval, heartbeatIntervalSeconds)
        put(.keyRotationInterval, keyRotationIntervalSeconds)
        put(.supportsDirect, UInt8(supportsDirect ? 1 : 0))
        put(.lanes, lanes)
        put(.superframeKinds, superframeKinds)
        put(.resetToken, resetToken)
        for relay in homeRelays.prefix(Self.homeRelaysMax) { put(.homeRelay, relay.id.bytes + relay.urlBytes) }
        for candidate in candidates.prefix(Self.candidatesMax) { put(.candidate, candidate.bytes) }
        return writer.bytes
    }
}

extension WireReader {
    /// Reads the rest as UTF-8 text without control characters. Throws `invalidField(.text)`.
    mutating func readText(byteCountMax: Int) throws(WireError) -> String {
        guard remainingByteCount <= byteCountMax else { throw .invalidField(.text) }
        let bytes = readRest()
        guard let text = String(validating: bytes, as: UTF8.self),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { throw .invalidField(.text) }
        return text
    }
}
