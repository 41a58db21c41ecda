import Glibc
import MeshLinux
import Testing

@Suite struct AtomicFileTests {
    let directory = TestDirectory()

    @Test(arguments: [0, 1, 100_000])
    func whatIsWrittenIsReadBackWithItsModeAndOwner(byteCount: Int) throws {
        let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
        let path = "\(directory.path)/identity"
        try AtomicFile.write(bytes, to: path, mode: 0o640, overwrite: false)
        let contents = try AtomicFile.read(path, byteCountMax: 100_000)
        #expect(contents.bytes == bytes)
        #expect(contents.mode == 0o640)
        #expect(contents.ownerUserID == getuid())
        #expect(directory.names == ["identity"])
    }

    @Test func theModeIsPrivateUnlessAskedOtherwise() throws {
        let path = "\(directory.path)/identity"
        try AtomicFile.write([1], to: path, overwrite: false)
        #expect(try AtomicFile.read(path, byteCountMax: 1).mode == 0o600)
    }

    @Test func anExistingFileIsLeftAloneUnlessOverwritingIsAskedFor() throws {
        let path = "\(directory.path)/identity"
        try AtomicFile.write([1], to: path, overwrite: false)
        let error = #expect(throws: SystemCallError.self) { try AtomicFile.write([2], to: path, overwrite: false) }
        #expect(error?.errno == EEXIST)
        #expect(try AtomicFile.read(path, byteCountMax: 9).bytes == [1])
        try AtomicFile.write([3], to: path, overwrite: true)
        #expect(try AtomicFile.read(path, byteCountMax: 9).bytes == [3])
        #expect(directory.names == ["identity"])
    }

    @Test func aDanglingSymbolicLinkCountsAsExisting() throws {
        let path = "\(directory.path)/identity"
        unsafe #expect(symlink("/nonexistent", path) == 0)
        let error = #expect(throws: SystemCallError.self) { try AtomicFile.write([2], to: path, overwrite: false) }
        #expect(error?.errno == EEXIST)
        #expect(directory.names == ["identity"])
    }

    @Test func aFileLongerThanAllowedIsRefused() throws {
        let path = "\(directory.path)/long"
        try AtomicFile.write([1, 2, 3], to: path, overwrite: false)
        #expect(try AtomicFile.read(path, byteCountMax: 3).bytes.count == 3)
        let error = #expect(throws: SystemCallError.self) { _ = try AtomicFile.read(path, byteCountMax: 2) }
        #expect(error?.errno == EFBIG)
    }

    @Test func onlyRegularFilesAreRead() {
        let path = "\(directory.path)/fifo"
        unsafe #expect(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: SystemCallError.self) { _ = try AtomicFile.read(path, byteCountMax: 2) }
        #expect(error?.errno == ENODEV)
        let directoryError = #expect(throws: SystemCallError.self) {
            _ = try AtomicFile.read(directory.path, byteCountMax: 2)
        }
        #expect(directoryError?.errno == EISDIR)
    }

    @Test func aMissingDirectoryIsNamedInTheError() {
        let path = "\(directory.path)/none/identity"
        let error = #expect(throws: SystemCallError.self) { try AtomicFile.write([1], to: path, overwrite: true) }
        #expect(error?.errno == ENOENT)
        #expect(error?.description.contains("\(directory.path)/none:") == true)
    }

    @Test func errorsNameWhatPeopleNamedAndNotTheTemporaryFile() throws {
        let absent = "\(directory.path)/absent"
        let missing = #expect(throws: SystemCallError.self) {
            try AtomicFile.write([1], to: "\(absent)/tls.key", overwrite: true)
        }
        #expect(missing?.subject == absent && missing?.errno == ENOENT)
        let file = "\(directory.path)/file"
        try AtomicFile.write([1], to: file, overwrite: true)
        let notADirectory = #expect(throws: SystemCallError.self) {
            try AtomicFile.write([1], to: "\(file)/tls.key", overwrite: true)
        }
        #expect(notADirectory?.subject == "\(file)/tls.key")
    }

    @Test func aDeviceFileThatIsNoTunnelDriverIsNamed() {
        let hint = SystemCallError(call: "TUNSETIFF", subject: "chr-001", errno: ENOTTY).hint
        #expect(hint?.contains("/dev/net/tun is not the device file") == true)
    }
}
