import Glibc
import MeshControl
import Testing

extension LabTests.StartFailureTests {
    /// One site with a node that could start; `spoil` makes that it cannot.
    private func failing(
        _ status: Int32, _ words: [String], relay: Bool = false, passphrase: Bool = false, tap: String = "",
        more: String = "", wrap: String = "", spoil: (MeshLab) throws -> Void
    ) throws {
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        let other = try lab.identity("other")
        if passphrase {
            try lab.write("pass", "right\n")
            try shell(
                "\(MeshLab.program) init --identity \(lab.directory)/a.identity --passphrase-file \(lab.directory)/pass"
            )
        } else {
            _ = try lab.identity("a")
        }
        try lab.configure(
            "a", peers: [.init(name: "b", id: other, address: "10.77.0.9:1")],
            more: more.replacing("DIR", with: lab.directory), tap: tap)
        try lab.write(
            "relay.yaml",
            "identity: \(lab.directory)/a.identity\nlisten_address: 10.77.0.1:443\nstun_address: off\n"
                + "state_directory: \(lab.directory)/state\n")
        try shell("mkdir -p -m 700 \(lab.directory)/state")
        try spoil(lab)
        let verb = relay ? "relay run --config \(lab.directory)/relay.yaml" : "up --config \(lab.directory)/a.yaml"
        let command = "timeout 8 \(MeshLab.program) \(verb)"
        let result = try lab.run("a", wrap.isEmpty ? command : wrap.replacing("COMMAND", with: command))
        let lines = result.output.split(separator: "\n")
        print(lines.last ?? "no output")
        #expect(result.status == status, "\(result.output)")
        for word in words { #expect(result.output.contains(word), "\(result.output)") }
    }

    @Test func aMissingTunDriver() throws {
        try failing(
            1, ["/dev/net/tun", "modprobe tun"],
            wrap: "unshare -m bash -c 'mount -t tmpfs none /dev/net && COMMAND'"
        ) { _ in }
    }

    @Test func aTapNameInUse() throws {
        try failing(1, ["chr-001", "choose another"]) { try $0.run("a", "ip tuntap add dev chr-001 mode tap") }
    }

    @Test func aPortInUse() throws {
        for relay in [true, false] {
            try failing(1, ["10.77.0.1:443", "in use"], relay: relay, more: "listen_address: 10.77.0.1:443") {
                _ = try $0.start("a", "holder", "python3 -m http.server 443 --bind 10.77.0.1")
                let lab = $0
                try lab.wait("the port is taken") {
                    try lab.run("a", "ss -Hltn 'sport = :443' | grep -q .").status == 0
                }
            }
        }
    }

    @Test func anAddressThisHostDoesNotHave() throws {
        try failing(1, ["10.99.0.1"], more: "listen_address: 10.99.0.1:443") { _ in }
    }

    @Test func anUnreadableOrAbsentConfiguration() throws {
        try failing(78, ["a.yaml"]) { try shell("rm \($0.directory)/a.yaml") }
        try failing(78, ["a.yaml", "colour"]) { try shell("echo 'colour: red' >>\($0.directory)/a.yaml") }
        try failing(78, ["a.yaml"]) { try shell("printf '\\0\\377\\n: [' >\($0.directory)/a.yaml") }
    }

    @Test func aBadIdentityFile() throws {
        try failing(78, ["a.identity", "shadowmesh init"]) { try shell("rm \($0.directory)/a.identity") }
        try failing(1, ["a.identity", "identity file"]) { try shell("echo hello >\($0.directory)/a.identity") }
        try failing(1, ["a.identity", "damaged"]) { try shell("truncate -s -1 \($0.directory)/a.identity") }
        try failing(1, ["a.identity", "chmod"]) { try shell("chmod 644 \($0.directory)/a.identity") }
    }

    @Test func aRelaysDamagedCertificateOrMissingDirectory() throws {
        try failing(1, ["/state/tls.crt: the TLS certificate", "makes new ones"], relay: true) {
            try shell("echo hello >\($0.directory)/state/tls.crt; echo hello >\($0.directory)/state/tls.key")
        }
        try failing(1, ["/state does not exist", "state_directory"], relay: true) {
            try shell("rmdir \($0.directory)/state")
        }
    }

    @Test func aWrongOrMissingPassphrase() throws {
        try failing(1, ["wrong passphrase"], passphrase: true, more: "passphrase_file: DIR/pass") {
            try $0.write("pass", "wrong\n")
        }
        try failing(1, ["passphrase_file"], passphrase: true) { _ in }
    }

    @Test func aDeviceFileThatIsNoTunnelDriver() throws {
        try failing(
            1, ["/dev/net/tun is not the device file"],
            wrap: "unshare -m bash -c 'mount -t tmpfs none /dev/net && mknod /dev/net/tun c 1 3 && COMMAND'"
        ) { _ in }
    }

    @Test func aCheckLooksIntoTheIdentity() throws {
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        let own = try lab.identity("a")
        try lab.configure("a", peers: [.init(name: "me", id: own)], more: "listen_address: \(lab.address("a")):443")
        func check() throws -> CommandResult {
            try lab.run("a", "\(MeshLab.program) config check \(lab.directory)/a.yaml")
        }
        let good = try check()
        #expect(good.status == 0 && good.output.contains("peers[0] is this node itself"), "\(good.output)")
        try shell("chmod 644 \(lab.directory)/a.identity")
        let open = try check()
        #expect(open.status == 78 && open.output.contains("chmod 600"), "\(open.output)")
        try shell("chmod 600 \(lab.directory)/a.identity; truncate -s -1 \(lab.directory)/a.identity")
        let damaged = try check()
        #expect(damaged.status == 78 && damaged.output.contains("damaged"), "\(damaged.output)")
    }

    @Test func aPassphraseIsAskedForWithoutATerminal() throws {
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        let made = try shell(
            "setsid -w \(MeshLab.program) init --encrypt --identity \(lab.directory)/new </dev/null 2>&1")
        #expect(made.status == 1 && made.output.contains("no terminal"), "\(made.output)")
        #expect(try shell("test -e \(lab.directory)/new").status == 1)
    }

    @Test func aDaemonThatRunsAlready() throws {
        try failing(1, ["another shadowmesh is running"], tap: "  name: chr-002\n") {
            try shell("sed s/chr-002/chr-003/ \($0.directory)/a.yaml >\($0.directory)/first.yaml")
            _ = try $0.start("a", "first", "\(MeshLab.program) up --config \($0.directory)/first.yaml")
            let lab = $0
            try lab.wait("the first runs") { try lab.status("a") != nil }
        }
    }

    @Test func withoutCapabilities() throws {
        try failing(77, ["CAP_NET_ADMIN"], wrap: "setpriv --bounding-set=-all --inh-caps=-all COMMAND") { _ in }
    }

    @Test func aFullDisk() throws {
        let full = "unshare -m bash -c 'mount -t tmpfs -o size=4k none /mnt; head -c 4096 /dev/zero >/mnt/fill; %'"
        let lab = try MeshLab(["a"])
        defer { lab.close() }
        let made = try lab.run(
            "a", full.replacing("%", with: "\(MeshLab.program) init --identity /mnt/identity; echo $?; ls -A /mnt"))
        print(made.output)
        #expect(made.output.contains("free some space"), "\(made.output)")
        #expect(made.output.hasSuffix("1\nfill\n"), "\(made.output)")
        _ = try lab.identity("relay")
        try lab.write(
            "relay.yaml",
            "identity: \(lab.directory)/relay.identity\nlisten_address: 10.77.0.1:443\nstun_address: off\n"
                + "state_directory: /mnt\n")
        let run = "timeout 8 \(MeshLab.program) relay run --config \(lab.directory)/relay.yaml; echo $?; ls -A /mnt"
        let relay = try lab.run("a", full.replacing("%", with: run))
        print(relay.output)
        #expect(relay.output.contains("free some space"), "\(relay.output)")
        #expect(relay.output.hasSuffix("1\nfill\n"), "\(relay.output)")
    }
}
