public import MeshBase

/// Everything a node is told at start.
public struct NodeConfiguration: Sendable, Hashable {
    /// Which paths a node may use.
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        /// Through a relay first, directly as soon as that works.
        case auto
        /// Through relays only.
        case relay
        /// Directly only.
        case direct
    }

    /// What becomes of the connections to relays while every peer is reached directly.
    public enum AfterDirect: String, Sendable, Hashable, CaseIterable {
        /// Closed after a minute; made again when a path is in doubt.
        case auto
        /// Closed within seconds; made again when a path is in doubt.
        case disconnect
        /// Kept.
        case standby
    }

    /// Whether the network's gateway is asked to forward a port (PCP, NAT-PMP, UPnP).
    public enum PortMapping: String, Sendable, Hashable, CaseIterable {
        /// Where it does so.
        case auto
        /// Never.
        case off
    }

    /// What address translators are called.
    public enum NATType: String, Sendable, Hashable, CaseIterable {
        case none
        case fullCone = "full-cone"
        case restrictedCone = "restricted-cone"
        case portRestrictedCone = "port-restricted-cone"
        case symmetric
        /// No datagrams get through.
        case udpBlocked = "udp-blocked"
    }

    /// The TAP device.
    public struct Tap: Sendable, Hashable {
        /// Name of the interface.
        public var name: String
        /// Addresses the interface gets; none when another program assigns them.
        public var addresses: [InterfaceAddress]
        /// Largest payload of an Ethernet frame, in bytes.
        public var mtu: Int
        /// Address of the interface; `nil` for one derived from the identity.
        public var mac: EthernetAddress?

        /// Makes the description of a TAP device.
        public init(
            name: String = "chr-001", addresses: [InterfaceAddress] = [], mtu: Int = 1400, mac: EthernetAddress? = nil
        ) {
            self.name = name
            self.addresses = addresses
            self.mtu = mtu
            self.mac = mac
        }
    }

    /// What is left to the kernel, or taken from it, in larger units than frames.
    public struct Offload: Sendable, Hashable {
        /// Whether to use a feature.
        public enum Use: String, Sendable, Hashable, CaseIterable {
            /// Where the kernel has it.
            case auto
            /// Not.
            case off
        }

        /// Frames of the TAP without checksum, and with `tapTCP` and `tapUDP` longer than its MTU.
        public var tapChecksum = Use.auto
        /// TCP packets of up to 60 KB from and to the TAP.
        public var tapTCP = Use.auto
        /// The same of UDP.
        public var tapUDP = Use.auto
        /// Several datagrams in one message to the kernel (UDP_SEGMENT).
        public var udpSend = Use.auto
        /// Several datagrams in one message from the kernel (UDP_GRO).
        public var udpReceive = Use.auto
    }

    /// How many threads carry frames.
    public enum PacketLoops: Sendable, Hashable {
        /// Half as many as there are processors, 1 to 8.
        case auto
        /// So many.
        case count(Int)

        /// More would share queues and peers too finely; a queue and sockets belong to each.
        package static let countMax = 16
        private static let automaticCountMax = 8

        /// The threads on a host of `processorCount` processors. The other half is for what the frames come from and go to.
        public func count(processorCount: Int) -> Int {
            switch self {
            case .auto: min(max(processorCount / 2, 1), Self.automaticCountMax)
            case .count(let count): count
            }
        }
    }

    /// The UDP sockets of direct paths.
    public struct Datagrams: Sendable, Hashable {
        /// What becomes of the class of service of the frames (DSCP, RFC 2474).
        public enum ServiceClass: String, Sendable, Hashable, CaseIterable {
            /// Datagrams have none, whatever they carry.
            case none
            /// Datagrams have that of the IP packets they carry, which everybody on their way can see.
            case copy
        }

        /// Mark for policy routing (SO_MARK of socket(7)), 1 to 4294967295; `nil` for none.
        public var mark: Int?
        /// The class of service of datagrams.
        public var serviceClass: ServiceClass

        /// Makes the description of sockets.
        public init(mark: Int? = nil, serviceClass: ServiceClass = .none) {
            self.mark = mark
            self.serviceClass = serviceClass
        }
    }

    /// A relay to connect to.
    public struct Relay: Sendable, Hashable {
        /// Where it is.
        public var url: RelayURL
        /// Who it has to prove to be.
        public var id: PeerID

        /// The file of the token that the relay asks for; `nil` when it asks for none.
        public var tokenFile: String?

        /// Makes the description of a relay.
        public init(url: RelayURL, id: PeerID, tokenFile: String? = nil) {
            self.url = url
            self.id = id
            self.tokenFile = tokenFile
        }
    }

    /// A node that may connect to this one.
    public struct Peer: Sendable, Hashable {
        /// Who it has to prove to be.
        public var id: PeerID
        /// What people call it; unique among the peers.
        public var name: String?
        /// Where it listens for direct connections.
        public var address: HostAndPort?

        /// Makes the description of a peer.
        public init(id: PeerID, name: String? = nil, address: HostAndPort? = nil) {
            self.id = id
            self.name = name
            self.address = address
        }
    }

    /// The control socket.
    public struct Control: Sendable, Hashable {
        /// Path of the Unix socket.
        public var socket: String
        /// Group whose members may use it besides the owner.
        public var group: String?

        /// Makes the description of a control socket.
        public init(socket: String = "/run/shadowmesh/control.sock", group: String? = nil) {
            self.socket = socket
            self.group = group
        }
    }

    /// Which paths may be used.
    public var mode: Mode
    /// Path of the file of the private identity.
    public var identity: String
    /// Path of the file of its passphrase.
    public var passphraseFile: String?
    /// The TAP device.
    public var tap: Tap
    /// What of the kernel's offloads is used.
    public var offload: Offload
    /// How many threads carry frames.
    public var packetLoops: PacketLoops
    /// The UDP sockets of direct paths.
    public var datagrams: Datagrams
    /// Relays, in the order of the file.
    public var relays: [Relay]
    /// Where relays are looked up, besides those of the file; `nil` for nowhere.
    public var registry: RegistryConfiguration?
    /// What becomes of the connections to relays while every peer is reached directly.
    public var afterDirect: AfterDirect
    /// Peers, in the order of the file; no ID and no name twice.
    public var peers: [Peer]
    /// Where to listen for direct connections; `nil` to listen nowhere.
    public var listenAddress: Endpoint?
    /// The control socket.
    public var control: Control
    /// Whether the network's gateway is asked to forward a port.
    public var portMapping: PortMapping
    /// What the translators before this node are taken for, whatever was found out; `nil` for what was found.
    public var natType: NATType?
    /// Logging.
    public var logging: LoggingConfiguration
    /// Seconds between signs of life on an idle path; the smaller of both peers' counts.
    public var heartbeatIntervalSeconds: Int
    /// Seconds between exchanges of fresh keys; the smaller of both peers' counts.
    public var keyRotationIntervalSeconds: Int

    /// Makes a configuration of the defaults, to be changed field by field.
    public init() {
        mode = .auto
        identity = "/etc/shadowmesh/identity"
        tap = Tap()
        offload = Offload()
        packetLoops = .auto
        datagrams = Datagrams()
        relays = []
        afterDirect = .auto
        portMapping = .auto
        peers = []
        control = Control()
        logging = LoggingConfiguration()
        heartbeatIntervalSeconds = 15
        keyRotationIntervalSeconds = 300
    }
}
