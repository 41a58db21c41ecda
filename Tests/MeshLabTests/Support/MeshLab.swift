import FoundationEssentials
import Glibc
import MeshBase
import MeshControl
import MeshLinux
import Testing

/// A mesh on the lab's network: sites in namespaces of their own, and the real program at each.
///
/// The lab belongs to this process: when it dies, the next lab clears what it left (see `Lab/lab.sh`).
final class MeshLab {
    /// A program that was started at a site.
    struct Daemon {
        let label: String
        let pid: Int
    }

    /// A node as its peers name it.
    struct Peer {
        var name: String
        var id: String
        /// `host:port` to dial.
        var address: String?
    }

    static let program = "\(productsDirectory)/shadowmesh"
    private static let source = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/Lab/lab.sh"

    /// Where configurations, identities, sockets and logs lie.
    let directory: String
    private let prefix: String
    private let sites: [String]
    private var startCount = 0

    /// Makes the sites, a millisecond from the first to every other. What the network loses and when follows from `seed`.
    init(_ sites: [String], seed: UInt64 = 1) throws {
        self.sites = sites
        let made = sites.enumerated().map {
            "lab_site \($1) 10.77.0.\($0 + 1) fd77::\($0 + 1) 10.78.\($0 + 1).0/24"
        }.joined(separator: "; ")
        let lab = try labScript(
            """
            lab_begin; echo 'seed \(seed)' >"$LAB_DIRECTORY/wan.conf"; \(made); lab_start_wan 'leg \(sites[0]) delay 1ms'
            echo "\(getpid()) $(lab_start_time \(getpid()))" >"$LAB_DIRECTORY/owner"
            trap - EXIT
            echo "made $LAB_PREFIX"
            """)
        let line = lab.output.split(separator: "\n").first { $0.hasPrefix("made ") }
        prefix = String(try #require(line, "\(lab.output)").dropFirst(5))
        directory = "/run/shadowmesh-lab/\(prefix)"
    }

    /// Ends everything and removes the namespaces.
    func close() { _ = try? library("set +e; lab_clear '\(directory)'") }

    /// Where a program of the directory `Lab` lies.
    static func script(_ name: String) -> String { source.replacing("/lab.sh", with: "/" + name) }

    /// Commands of a shell at the same time; fails when one of them does.
    static func together(_ commands: [String]) -> String {
        "pids=; \(commands.map { "\($0) & pids=\"$pids $!\";" }.joined(separator: " "))"
            + " for pid in $pids; do wait $pid || exit 1; done"
    }

    /// The network namespace of a site.
    func namespace(_ site: String) -> String { "\(prefix)-\(site)" }

    /// The address of a site on the wide-area network.
    func address(_ site: String) -> String { "10.77.0.\((sites.firstIndex(of: site) ?? 0) + 1)" }

    /// Another address that the wide-area network leads to a site, which does not have it yet.
    func spareAddress(_ site: String) -> String { "10.78.\((sites.firstIndex(of: site) ?? 0) + 1).1" }

    /// The address of a node on the mesh.
    func overlay(_ site: String) -> String { "10.10.10.\((sites.firstIndex(of: site) ?? 0) + 1)" }

    // MARK: - Commands

    /// Runs a script that may use the functions of `lab.sh`.
    @discardableResult
    func library(_ script: String) throws -> CommandResult {
        let whole =
            "LAB_WAN_BINARY='\(productsDirectory)/shadowmesh-wan'\n. '\(Self.source)'\nset +e\n"
            + "LAB_PREFIX=\(prefix) LAB_DIRECTORY='\(directory)'\n\(script)"
        return try shell("bash -c \(quoted(whole)) </dev/null")
    }

    /// Runs a shell command at a site.
    @discardableResult
    func run(_ site: String, _ command: String) throws -> CommandResult {
        try shell("timeout 60 ip netns exec \(prefix)-\(site) bash -c \(quoted(command)) </dev/null")
    }

    /// Runs the program with a node's control socket.
    func control(_ site: String, _ arguments: String) throws -> CommandResult {
        try shell("timeout 60 \(Self.program) \(arguments) --socket \(directory)/\(site).sock </dev/null")
    }

    /// Starts a command at a site. Its output goes to `LABEL.log`, its exit status is kept.
    func start(_ site: String, _ label: String, _ command: String) throws -> Daemon {
        startCount += 1
        let mark = "\(directory)/\(label).\(startCount)"
        let inner =
            "ip netns exec \(prefix)-\(site) \(command) >>'\(directory)/\(label).log' 2>&1 </dev/null & "
            + "echo $! >'\(mark).new'; mv '\(mark).new' '\(mark).pid'; wait $!; echo $? >'\(mark).status'"
        let started = try library(
            """
            setsid bash -c \(quoted(inner)) >/dev/null 2>&1 </dev/null &
            lab_wait_until 5 'it has started' test -s '\(mark).pid'
            pid=$(<'\(mark).pid'); echo "$pid $(lab_start_time $pid) \(label)" >>'\(directory)/processes'
            echo "started $pid"
            """)
        let pid = try #require(started.value("started"), "\(started.output)")
        return Daemon(label: "\(label).\(startCount)", pid: Int(pid))
    }

    /// Sends a signal to what was started here.
    func signal(_ daemon: Daemon, _ number: CInt) { kill(pid_t(daemon.pid), number) }

    /// Waits until it has ended; its exit status, 128 and the signal's number when one ended it.
    func exitStatus(_ daemon: Daemon) throws -> Int {
        let path = "\(directory)/\(daemon.label).status"
        var status: Int?
        try wait("\(daemon.label) ends") {
            status = (try? shell("cat '\(path)'").output).flatMap { Int($0.prefix { !$0.isNewline }) }
            return status != nil
        }
        return try #require(status)
    }

    /// The log of everything started under a label.
    func log(_ label: String) -> String { (try? shell("cat '\(directory)/\(label).log'").output) ?? "" }

    /// Waits until `isTrue`; fails with the tails of all logs.
    func wait(_ what: String, seconds: UInt64 = 20, _ isTrue: () throws -> Bool) throws {
        let deadline = BootClock.now().advanced(milliseconds: seconds * 1000)
        while try !isTrue() {
            if BootClock.now() > deadline {
                let logs = try shell("tail -n 12 \(directory)/*.log").output
                throw LabFailure(text: "waited \(seconds) s in vain until \(what)\n\(logs)")
            }
            usleep(20_000)
        }
    }

    // MARK: - The program

    /// Makes an identity; its ID.
    func identity(_ name: String) throws -> String {
        let made = try shell("\(Self.program) init --identity \(directory)/\(name).identity")
        try #require(made.status == 0, "\(made.output)")
        return String(made.output.prefix { $0 != "\n" })
    }

    /// Writes a relay's configuration and starts it; returns when it listens.
    func relay(_ site: String, more: String = "") throws -> Daemon {
        try write(
            "\(site).yaml",
            """
            listen_address: \(address(site)):443
            stun_address: \(address(site)):3478
            identity: \(directory)/\(site).identity
            state_directory: \(directory)/\(site)-state
            \(more)
            """)
        try shell("mkdir -p -m 700 \(directory)/\(site)-state")
        return try startRelay(site)
    }

    /// Starts a relay whose configuration is written.
    func startRelay(_ site: String) throws -> Daemon {
        let daemon = try start(site, site, "\(Self.program) relay run --config \(directory)/\(site).yaml")
        try wait("the relay listens") {
            try run(site, "ss -Hltn 'sport = :443' | grep -q . || ! test -d /proc/\(daemon.pid)").status == 0
        }
        return daemon
    }

    /// Writes a node's configuration.
    func configure(
        _ site: String, identity: String? = nil, relays: [(site: String, id: String)] = [], peers: [Peer],
        more: String = "", tap: String = ""
    ) throws {
        var text = "identity: \(directory)/\(identity ?? site).identity\n"
        text += "tap:\n  address: \(overlay(site))/24\n\(tap)control:\n  socket: \(directory)/\(site).sock\n"
        if !relays.isEmpty { text += "relays:\n" }
        for relay in relays { text += "  - url: wss://\(address(relay.site))\n    id: \(relay.id)\n" }
        if !peers.isEmpty { text += "peers:\n" }
        for peer in peers {
            text += "  - peer_id: \(peer.id)\n    name: \(peer.name)\n"
            if let address = peer.address { text += "    address: \(address)\n" }
        }
        // These tests are about the relay's path unless they say otherwise.
        if !relays.isEmpty, !more.contains("mode:") { text += "mode: relay\n" }
        try write("\(site).yaml", text + more + "\n")
    }

    /// Starts a node whose configuration is written.
    func up(_ site: String, prefix: String = "") throws -> Daemon {
        try start(site, site, "\(prefix) \(Self.program) up --config \(directory)/\(site).yaml")
    }

    /// What a node says of itself; `nil` when it does not answer.
    func status(_ site: String) throws -> NodeStatus? {
        let answer = try control(site, "status --json")
        guard answer.status == 0 else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(NodeStatus.self, from: Data(answer.output.utf8))
    }

    /// Gives a site rules of nft(8).
    func filter(_ site: String, _ rules: String...) throws { try filter(site, rules) }

    /// Gives a site rules of nft(8).
    func filter(_ site: String, _ rules: [String]) throws {
        let result = try run(site, "nft '\(rules.joined(separator: "; "))'")
        try #require(result.status == 0, "\(result.output)")
    }

    /// Waits until each of the nodes uses a path to its first peer whose description begins with `prefix`.
    func waitPath(_ sites: String..., beginsWith prefix: String, seconds: UInt64 = 20) throws {
        for site in sites {
            try wait("\(site) uses a path that begins with \(prefix)", seconds: seconds) {
                try status(site)?.peers.first?.path?.hasPrefix(prefix) == true
            }
        }
    }

    /// Waits until the node has a session with each of its peers.
    func waitEstablished(_ sites: String..., seconds: UInt64 = 20) throws {
        for site in sites {
            try wait("\(site) has its sessions", seconds: seconds) {
                guard let status = try status(site), !status.peers.isEmpty else { return false }
                return status.peers.allSatisfy { $0.state == .established }
            }
        }
    }

    /// Relay and the named nodes, each a peer of every other, all with sessions; and sites where nothing runs. `each`:
    /// settings of one node. `seed`: as for `init`.
    static func mesh(
        of nodes: [String], relays: [String] = ["relay"], bystanders: [String] = [], each: [String: String] = [:],
        more: String = "", seed: UInt64 = 1
    ) throws -> (
        lab: MeshLab, relays: [Daemon], nodes: [Daemon]
    ) {
        let lab = try MeshLab(relays + nodes + bystanders, seed: seed)
        do {
            let relayIDs = try relays.map { (site: $0, id: try lab.identity($0)) }
            let ids = try nodes.map { try lab.identity($0) }
            let relays = try relays.map { try lab.relay($0) }
            for node in nodes {
                let peers = zip(nodes, ids).filter { $0.0 != node }.map { Peer(name: $0.0, id: $0.1) }
                let settings = [more, each[node] ?? ""].filter { !$0.isEmpty }.joined(separator: "\n")
                try lab.configure(node, relays: relayIDs, peers: peers, more: settings)
            }
            let daemons = try nodes.map { try lab.up($0) }
            for node in nodes { try lab.waitEstablished(node) }
            return (lab, relays, daemons)
        } catch {
            lab.close()
            throw error
        }
    }

    /// Writes a file of the lab.
    func write(_ name: String, _ text: String) throws {
        try AtomicFile.write([UInt8](text.utf8), to: "\(directory)/\(name)", overwrite: true)
    }
}

/// Why a lab could not go on.
struct LabFailure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}

/// A word for the shell.
func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

extension MeshLab {
    /// A stream of pings, 20 a second, whose answers tell when frames flowed.
    struct PingStream {
        let daemon: Daemon
        let label: String
    }

    /// Starts pinging one node from another; returns when the first answer is there.
    func ping(from site: String, to other: String, label: String = "stream") throws -> PingStream {
        let daemon = try start(site, label, "ping -D -i 0.05 \(overlay(other))")
        try wait("the first ping is answered") { log(label).contains("bytes from") }
        return PingStream(daemon: daemon, label: label)
    }

    /// Wall-clock seconds of the answers so far.
    func answers(_ stream: PingStream) -> [Double] {
        log(stream.label).split(separator: "\n").filter { $0.contains("bytes from") }
            .compactMap { $0.dropFirst().split(separator: "]").first.flatMap { Double($0) } }
    }

    /// Waits until pings have been answered for a while after now; the longest time without an answer.
    func longestGap(_ stream: PingStream, seconds: UInt64 = 20) throws -> Double {
        let count = answers(stream).count
        try wait("pings are answered again", seconds: seconds) { answers(stream).count >= count + 20 }
        let times = answers(stream)
        return zip(times.dropFirst(), times).map { $0 - $1 }.max() ?? 0
    }
}
