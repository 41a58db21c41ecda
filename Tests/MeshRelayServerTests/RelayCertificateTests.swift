import FoundationEssentials
import MeshControl
import MeshLinux
import MeshRelayServer
import MeshTransport
import Testing

@Suite struct RelayCertificateTests {
    /// Runs `body` with a state directory that is removed afterwards.
    private func withDirectory(_ body: (RelayConfiguration) throws -> Void) throws {
        var configuration = RelayConfiguration()
        configuration.stateDirectory = "/tmp/shadowmesh-certificate-\(UInt64.random(in: 0...(.max)))"
        try FileManager.default.createDirectory(atPath: configuration.stateDirectory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: configuration.stateDirectory) }
        try body(configuration)
    }

    @Test func theCertificateIsMadeOnceAndKept() throws {
        try withDirectory { configuration in
            let made = try RelayCertificate.material(configuration)
            #expect(try RelayCertificate.material(configuration).spkiHash == made.spkiHash)
            let key = try AtomicFile.read(configuration.stateDirectory + "/tls.key", byteCountMax: 1 << 20)
            #expect(key.mode == 0o600)
        }
    }

    @Test func aDamagedFileIsNamedWithWhatToDo() throws {
        try withDirectory { configuration in
            _ = try RelayCertificate.material(configuration)
            let (certificate, key) = (
                configuration.stateDirectory + "/tls.crt", configuration.stateDirectory + "/tls.key"
            )
            for (damaged, reason) in [
                (certificate, TLSMaterialError.certificateUnreadable), (key, .keyUnreadable),
            ] {
                let good = try AtomicFile.read(damaged, byteCountMax: 1 << 20).bytes
                try AtomicFile.write(Array(good.prefix(60)), to: damaged, overwrite: true)
                let error = #expect(throws: RelayStartError.self) { try RelayCertificate.material(configuration) }
                #expect(
                    error == .unusableTLS(certificate: certificate, key: key, reason: reason, isOwn: true))
                let text = "\(try #require(error))"
                #expect(text.hasPrefix("\(damaged): the TLS ") && text.contains("remove \(certificate) and \(key)"))
                configurationGiven(configuration, certificate: certificate, key: key, names: damaged)
                try AtomicFile.write(good, to: damaged, overwrite: true)
            }
        }
    }

    /// The same files, but named in the configuration: the relay would not replace those.
    private func configurationGiven(
        _ configuration: RelayConfiguration, certificate: String, key: String, names damaged: String
    ) {
        var configuration = configuration
        configuration.tls = .init(certificate: certificate, key: key)
        let error = #expect(throws: RelayStartError.self) { try RelayCertificate.material(configuration) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.hasPrefix("\(damaged): the TLS ") && !text.contains("remove"), "\(text)")
    }

    @Test func aMissingStateDirectoryIsNamed() throws {
        try withDirectory { configuration in
            var configuration = configuration
            configuration.stateDirectory += "/absent"
            let error = #expect(throws: RelayStartError.self) { try RelayCertificate.material(configuration) }
            #expect(error == .noStateDirectory(configuration.stateDirectory))
        }
    }
}
