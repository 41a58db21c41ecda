internal import MeshLinux
internal import WanModel

/// The emulator's configuration file: one command a line.
struct Configuration {
    /// Far more than 64 sites need.
    private static let byteCountMax = 1 << 20

    var network = WanNetwork(seed: 1)
    var sites: [WanCommand.NewSite] = []

    init(path: String) throws(ConfigurationError) {
        let bytes: [UInt8]
        do throws(SystemCallError) {
            bytes = try AtomicFile.read(path, byteCountMax: Self.byteCountMax).bytes
        } catch {
            throw ConfigurationError(description: error.description)
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            do throws(WanCommandError) {
                if let command = try WanCommand.parse(line) { try apply(command) }
            } catch {
                throw ConfigurationError(description: "\(path), line \(index + 1): \(error.description)")
            }
        }
        if sites.isEmpty { throw ConfigurationError(description: "\(path): no site; write at least one 'site …' line") }
    }

    private mutating func apply(_ command: WanCommand) throws(WanCommandError) {
        switch command {
        case .seed(let seed):
            guard sites.isEmpty else { throw WanCommandError("seed must come before the sites") }
            network = WanNetwork(seed: seed)
        case .site(let site):
            guard network.addSite(site.name, prefixes: site.prefixes) != nil else {
                let most = WanNetwork.siteCountMax
                throw WanCommandError("site '\(site.name)' is there already, or more than \(most) sites")
            }
            sites.append(site)
        case .leg, .pair, .cut, .blockUDP, .show: _ = try network.apply(command)
        }
    }
}

/// Why the configuration was refused.
struct ConfigurationError: Error, CustomStringConvertible {
    /// File, line and what was expected.
    let description: String
}
