import Glibc
import MeshControl
import Testing

@Suite struct IdentityStoreTests {
    @Test func aCreatedFileIsPrivateAndReadsBack() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("new/identity")
        try IdentityStore.create(path, [1, 2, 3])
        #expect(try IdentityStore.read(path) == [1, 2, 3])
        #expect(directory.mode("new/identity") == 0o600)
        #expect(directory.mode("new") == 0o700)
    }

    @Test func anExistingFileIsNeverOverwritten() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("identity")
        try IdentityStore.create(path, [1])
        let problem = try #require(throws: FileProblem.self) { try IdentityStore.create(path, [2]) }
        #expect(problem.description.contains("exists already"))
        #expect(throws: problem) { try IdentityStore.checkAbsent(path) }
        #expect(throws: Never.self) { try IdentityStore.checkAbsent(directory.file("other")) }
        #expect(try IdentityStore.read(path) == [1])
        #expect(directory.mode("identity.\(getpid()).new") == nil)
    }

    @Test(arguments: [0o644, 0o640, 0o660, 0o604, 0o620, 0o700, 0o4600] as [mode_t])
    func aFileThatOthersMayUseIsRefused(mode: mode_t) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("identity", [1], mode: mode)
        let problem = try #require(throws: FileProblem.self) { try IdentityStore.read(path) }
        #expect(problem.description.contains("chmod 600 \(path)"))
        #expect(problem.description.contains(String(mode, radix: 8)))
    }

    @Test(.enabled(if: geteuid() == 0, "needs root to give a file away"))
    func aFileOfAnotherUserIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("identity", [1])
        // SAFETY: the string is passed as a terminated copy.
        try #require(unsafe chown(path, 65_534, 65_534) == 0)
        let problem = try #require(throws: FileProblem.self) { try IdentityStore.read(path) }
        #expect(problem.description.contains("belongs to"))
    }

    @Test func whatIsNotThereOrNoFileIsToldSo() throws {
        let directory = try TemporaryDirectory()
        let missing = try #require(throws: FileProblem.self) { try IdentityStore.read(directory.file("none")) }
        #expect(missing.description.contains("shadowmesh init --identity"))
        let notAFile = try #require(throws: FileProblem.self) { try IdentityStore.read(directory.path) }
        #expect(notAFile.description.contains("is a directory"))
        let noDirectory = try #require(throws: FileProblem.self) {
            try IdentityStore.create("/proc/none/identity", [1])
        }
        #expect(noDirectory.path == "/proc/none")
    }

    @Test func aFullDiskIsToldSo() throws {
        let descriptor = unsafe open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let problem = try #require(throws: FileProblem.self) {
            try IdentityStore.write([1], to: descriptor, path: "/etc/identity")
        }
        #expect(
            problem.description == "/etc/identity: cannot be written; the disk is full: free some space and try again")
        #expect(problem.errorNumber == ENOSPC)
    }

    @Test func aPassphraseFileIsPrivateAndLosesOneLineEnd() throws {
        let directory = try TemporaryDirectory()
        #expect(try Passphrase.read(file: directory.write("a", [UInt8]("pass \n\n".utf8))) == [UInt8]("pass \n".utf8))
        #expect(try Passphrase.read(file: directory.write("b", [UInt8]("x".utf8))) == [UInt8]("x".utf8))
        for (name, bytes, mode) in [("c", [10], 0o600), ("d", [], 0o600), ("e", [65], 0o640)]
            as [(String, [UInt8], mode_t)]
        {
            let path = try directory.write(name, bytes, mode: mode)
            #expect(throws: FileProblem.self) { try Passphrase.read(file: path) }
        }
        let big = try directory.write("f", [UInt8](repeating: 65, count: 1025))
        #expect(throws: FileProblem.self) { try Passphrase.read(file: big) }
    }

    @Test func theCredentialIsUsedWhereThereIsNoFile() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("file", [UInt8]("from file".utf8))
        _ = try directory.write(Passphrase.credentialName, [UInt8]("from systemd\n".utf8), mode: 0o440)
        let credential = try Passphrase.read(file: nil, credentialsDirectory: directory.path, prompt: nil)
        #expect(credential == [UInt8]("from systemd".utf8))
        let named = try Passphrase.read(file: file, credentialsDirectory: directory.path, prompt: nil)
        #expect(named == [UInt8]("from file".utf8))
        #expect(try Passphrase.read(file: nil, credentialsDirectory: "/none", prompt: nil) == nil)
    }
}
