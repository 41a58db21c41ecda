import Foundation
import Logging
import MeshBase
import MeshEthereum
import MeshRegistry
import MeshTestSupport
import Synchronization
import Testing

@Suite struct CacheTests {
    private static let source = RegistrySource(chainID: 1, contract: .address(.zero), endpoints: ["http://a"])

    @Test func whatIsKeptIsThereAfterwards() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var random = SeededGenerator(seed: testSeed())
        let list = directory(50, using: &random)
        let descriptors = Dictionary(
            uniqueKeysWithValues: list.entries.map { ($0.descriptorHash, $0.descriptor?.encoded ?? []) })
        let cache = try DirectoryCache(path: path)
        #expect(try cache.load(Self.source) == nil)
        try cache.store(list, descriptors: descriptors, of: Self.source)
        #expect(try cache.load(Self.source)?.directory == list)
        let shorter = without(list, Array(list.entries.prefix(3)))
        try cache.store(shorter, descriptors: descriptors, of: Self.source)
        let contents = try #require(try DirectoryCache(path: path).load(Self.source))
        #expect(contents.directory == shorter && contents.descriptors == descriptors)
        var other = Self.source
        other.chainID = 2
        #expect(try cache.load(other) == nil)
    }

    @Test func aDamagedFileIsPutAsideAndMadeAnew() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { for name in [path, path + ".damaged"] { try? FileManager.default.removeItem(atPath: name) } }
        var random = SeededGenerator(seed: testSeed())
        let list = directory(60, using: &random)
        try DirectoryCache(path: path).store(list, descriptors: [:], of: Self.source)
        let whole = try Data(contentsOf: URL(filePath: path))
        var torn = whole
        // A page in the middle is zero, as after a disk lost it.
        torn.replaceSubrange(
            whole.count / 2 / 4096 * 4096..<whole.count / 2 / 4096 * 4096 + 4096, with: Data(count: 4096))
        for bad in [Data(repeating: 65, count: 5_000), whole.prefix(whole.count / 2), torn] {
            try bad.write(to: URL(filePath: path))
            let cache = try DirectoryCache(path: path)
            #expect(cache.damagedPath == path + ".damaged")
            #expect(try Data(contentsOf: URL(filePath: path + ".damaged")) == bad)
            #expect(try cache.load(Self.source) == nil)
            try cache.store(list, descriptors: [:], of: Self.source)
            #expect(try DirectoryCache(path: path).load(Self.source)?.directory.entries.count == 60)
        }
    }

    @Test func onlyItsOwnerMayReadOrChangeTheFile() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var random = SeededGenerator(seed: 1)
        for mode in [nil, 0o644] {
            if let mode { try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path) }
            try DirectoryCache(path: path).store(directory(3, using: &random), descriptors: [:], of: Self.source)
            let found = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(found == 0o600)
        }
    }

    @Test func whatCannotBeAFileIsRefusedWithItsNameAndLeftAsItIs() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "\(UUID())").path
        let mode: [FileAttributeKey: Any] = [.posixPermissions: 0o750]
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: mode)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for path in ["/nonexistent/registry.sqlite", directory] {
            do throws(CacheProblem) {
                _ = try DirectoryCache(path: path)
                Issue.record("it is taken")
            } catch { #expect("\(error)".contains(path)) }
        }
        #expect(try FileManager.default.attributesOfItem(atPath: directory)[.posixPermissions] as? Int == 0o750)
    }

    @Test(arguments: [
        "UPDATE relay SET identity = 'no'", "UPDATE relay SET stake = '-1'", "UPDATE relay SET heartbeat = -1",
        "UPDATE relay SET heartbeat = 9223372036854775807", "UPDATE registry SET block_number = -5",
        "UPDATE registry SET block_hash = ''", "DELETE FROM relay WHERE position = 1",
        "UPDATE relay SET registration_value = 'x'", "UPDATE registry SET contract = 'c'",
    ]) func whatDoesNotAddUpIsNotUsed(change: String) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var random = SeededGenerator(seed: 1)
        let cache = try DirectoryCache(path: path)
        let list = directory(3, using: &random)
        try cache.store(list, descriptors: [:], of: Self.source)
        try cache.execute(change)
        #expect(throws: CacheProblem.self) { try cache.load(Self.source) }
        try cache.store(list, descriptors: [:], of: Self.source)
        #expect(try cache.load(Self.source)?.directory.entries.count == 3)
    }
}

@Suite(.enabled(if: VectorChain.isThere, "the registry's vectors are not there")) struct RegistryClientTests {
    @Test func theCachedListServesWhenAllEndpointsFail() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let chain = try VectorChain()
        let source = try chain.source(["https://a", "https://b"])
        let first = RegistryClient(source, transport: chain, cache: try DirectoryCache(path: path), log: log)
        let fresh = try await first.refresh()
        #expect(!fresh.isStale)
        let dead = try VectorChain(twists: ["https://a": { _, _ in nil }, "https://b": { _, _ in nil }])
        let second = RegistryClient(source, transport: dead, cache: try DirectoryCache(path: path), log: log)
        #expect(await second.loadCache()?.directory == fresh.directory)
        await #expect(throws: RegistryFailure.tooFewEndpoints(answering: 0, configured: 2)) {
            try await second.refresh()
        }
        let stale = try #require(await second.snapshot)
        #expect(stale.isStale && stale.directory == fresh.directory)
    }

    @Test func aListIsReadAgainAfterFiveMinutesOrAfterOneWhenThatFailed() async throws {
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let isDead = Mutex(false)
        let twist: VectorChain.Twist = { _, honest in isDead.withLock { $0 } ? nil : honest }
        let chain = try VectorChain(twists: ["https://a": twist, "https://b": twist])
        let pauses = Mutex<[Duration]>([])
        let stale = Mutex<[Bool]>([])
        let client = RegistryClient(
            try chain.source(["https://a", "https://b"]), transport: chain, cache: nil, log: log
        ) { pause in
            let count = pauses.withLock { pauses in
                pauses.append(pause)
                return pauses.count
            }
            // Both endpoints are dead for the second and the third reading.
            isDead.withLock { $0 = count == 1 || count == 2 }
            // SAFETY: the task is used inside the closure only.
            if count == 4 { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
        }
        await Task { await client.run { snapshot in stale.withLock { $0.append(snapshot.isStale) } } }.value
        #expect(pauses.withLock { $0 } == [.seconds(300), .seconds(60), .seconds(60), .seconds(300)])
        #expect(stale.withLock { $0 } == [false, true, true, false])
    }
}
