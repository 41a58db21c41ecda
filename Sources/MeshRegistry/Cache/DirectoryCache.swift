internal import Foundation
internal import GRDB
public import Logging
internal import MeshBase
public import MeshEthereum

/// The list of relays as it was last proven, in a SQLite file, for starts without any endpoint.
///
/// Whoever can write the file can name false relays, but not make them prove an identity; keep it where only the daemon
/// writes.
public struct DirectoryCache: Sendable {
    /// What is kept.
    public struct Contents: Sendable {
        /// The list.
        public let directory: RelayDirectory
        /// The descriptors of its entries, by their hashes.
        public let descriptors: [Word256: [UInt8]]
    }

    private let database: DatabaseQueue
    /// Where a file was put that was there and damaged; `nil` when none was.
    public let damagedPath: String?

    /// Opens the file, or makes it, readable by its owner only. One that is no database, or a damaged one, is put aside and
    /// a new one made: all that it held is on the chain.
    public init(path: String) throws(CacheProblem) {
        do {
            try Self.protect(path)
            do {
                database = try Self.open(path)
                damagedPath = nil
            } catch let error as DatabaseError where [.SQLITE_NOTADB, .SQLITE_CORRUPT].contains(error.resultCode) {
                let aside = path + ".damaged"
                try? FileManager.default.removeItem(atPath: aside)
                try FileManager.default.moveItem(atPath: path, toPath: aside)
                try? FileManager.default.removeItem(atPath: path + "-journal")
                try Self.protect(path)
                database = try Self.open(path)
                damagedPath = aside
            }
        } catch {
            throw CacheProblem(path: path, reason: "\(error)")
        }
    }

    /// Opens the file and says in the log what was wrong with it; `nil` when it cannot be used: the list is then read all
    /// the same.
    public static func open(_ path: String, log: Logger) -> DirectoryCache? {
        do throws(CacheProblem) {
            let cache = try DirectoryCache(path: path)
            if let aside = cache.damagedPath {
                log.warning("\(path): the cache of relays was damaged; it was put aside as \(aside) and is made anew")
            }
            return cache
        } catch {
            log.warning("\(error)")
            return nil
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        // A second process, such as `shadowmesh registry list`, waits that long for a write to end.
        configuration.busyMode = .timeout(2)
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.read { database in
            guard try String.fetchOne(database, sql: "PRAGMA quick_check(1)") == "ok" else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT)
            }
        }
        try migrator.migrate(database)
        return database
    }

    /// Makes the file where there is none; nobody but its owner has to do with it. Throws when something else is there.
    private static func protect(_ path: String) throws {
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        if !FileManager.default.fileExists(atPath: path) {
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: attributes) else {
                throw CocoaError(.fileWriteUnknown)
            }
        }
        // A directory keeps its mode, and what a link leads to.
        let found = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
        guard found == .typeRegular else { throw CocoaError(.fileReadUnknown) }
        // Where it is another user's, SQLite says whether it can be used.
        try? FileManager.default.setAttributes(attributes, ofItemAtPath: path)
    }

    /// The list that was kept of a registry; `nil` when there is none. Throws when it does not add up.
    /// - Parameter source: Which registry; a cache may hold several.
    public func load(_ source: RegistrySource) throws(CacheProblem) -> Contents? {
        do {
            return try database.read { database in try Self.load(source, database) }
        } catch { throw CacheProblem(path: database.path, reason: "\(error)") }
    }

    /// Keeps a list in place of the one before, all of it or nothing.
    public func store(
        _ directory: RelayDirectory, descriptors: [Word256: [UInt8]], of source: RegistrySource
    ) throws(CacheProblem) {
        do {
            try database.write { database in
                let key = Self.key(source)
                try database.execute(sql: "DELETE FROM registry WHERE source = ?", arguments: [key])
                try database.execute(
                    sql: "INSERT INTO registry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        key, "\(directory.contract)", Int64(directory.blockNumber), "\(directory.blockHash)",
                        Int64(directory.blockTime), Int64(directory.entries.count), Int64(directory.wholeTime),
                        "\(directory.storageRoot)",
                    ])
                let insert = try database.makeStatement(sql: "INSERT INTO relay VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                for (position, entry) in directory.entries.enumerated() {
                    try insert.execute(arguments: [
                        key, Int64(position), "\(entry.identity)", "\(entry.account)", "\(entry.descriptorHash)",
                        Int64(entry.descriptorBlock), "\(entry.stake)", Int64(entry.heartbeat), Int64(entry.registered),
                        entry.registrationValue.map { "\($0)" },
                    ])
                }
                for (hash, bytes) in descriptors {
                    try database.execute(
                        sql: "INSERT OR REPLACE INTO descriptor VALUES (?, ?, ?)",
                        arguments: [key, "\(hash)", Data(bytes)])
                }
            }
        } catch { throw CacheProblem(path: database.path, reason: "\(error)") }
    }

    /// Changes the file as whoever can write it may.
    package func execute(_ sql: String) throws { try database.write { try $0.execute(sql: sql) } }

    /// Reads what was stored; throws when a row is not what was written.
    private static func load(_ source: RegistrySource, _ database: Database) throws -> Contents? {
        let key = key(source)
        guard let head = try Row.fetchOne(database, sql: "SELECT * FROM registry WHERE source = ?", arguments: [key])
        else { return nil }
        var descriptors: [Word256: [UInt8]] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT * FROM descriptor WHERE source = ?", arguments: [key]) {
            guard let data: Data = row.value("bytes"), let hash = word(row, "hash"), Keccak256.hash(Array(data)) == hash
            else { throw DamagedRow(table: "descriptor") }
            descriptors[hash] = Array(data)
        }
        var entries: [RelayEntry] = []
        let sql = "SELECT * FROM relay WHERE source = ? ORDER BY position"
        for row in try Row.fetchAll(database, sql: sql, arguments: [key]) {
            guard var entry = entry(row) else { throw DamagedRow(table: "relay") }
            entry.descriptor = descriptors[entry.descriptorHash].flatMap { RelayDescriptor(bytes: $0) }
            entries.append(entry)
        }
        guard let contract = text(head, "contract").flatMap({ EthereumAddress(text: $0) }),
            let hash = word(head, "block_hash"),
            natural(head, "relay_count") == UInt64(entries.count), let number = natural(head, "block_number"),
            let time = natural(head, "block_time"), let wholeTime = natural(head, "whole_time")
        else { throw DamagedRow(table: "registry") }
        // A list of an earlier release has no root; then it is read anew.
        let directory = RelayDirectory(
            chainID: source.chainID, contract: contract, blockNumber: number, blockHash: hash, blockTime: time,
            wholeTime: wholeTime, storageRoot: word(head, "storage_root") ?? .zero, entries: entries)
        return Contents(directory: directory, descriptors: descriptors)
    }

    private static func entry(_ row: Row) -> RelayEntry? {
        let value: String? = row.value("registration_value")
        guard let identity = text(row, "identity").flatMap({ PeerID(text: $0) }),
            let account = text(row, "account").flatMap({ EthereumAddress(text: $0) }),
            let descriptorHash = word(row, "descriptor_hash"), let block = natural(row, "descriptor_block"),
            let stake = text(row, "stake").flatMap({ UInt128($0) }), let heartbeat = natural(row, "heartbeat"),
            let registered = natural(row, "registered"), value == nil || value.flatMap({ UInt64($0) }) != nil
        else { return nil }
        return RelayEntry(
            identity: identity, account: account, descriptorHash: descriptorHash, descriptorBlock: block, stake: stake,
            heartbeat: heartbeat, registered: registered, registrationValue: value.flatMap { UInt64($0) })
    }

    private static func text(_ row: Row, _ column: String) -> String? { row.value(column) }

    private static func word(_ row: Row, _ column: String) -> Word256? {
        text(row, column).flatMap { try? Hexadecimal.bytes($0) }.flatMap { Word256(bytes: $0) }
    }

    /// A number that the contract gives 40 bits at most.
    private static func natural(_ row: Row, _ column: String) -> UInt64? {
        let number: Int64? = row.value(column)
        return number.flatMap { UInt64(exactly: $0) }.flatMap { $0 < 1 << 40 ? $0 : nil }
    }

    /// Which registry a row belongs to: the chain, and the contract as it was named.
    private static func key(_ source: RegistrySource) -> String {
        switch source.contract {
        case .address(let address): "\(source.chainID) \(address)"
        case .name(let name, let registry): "\(source.chainID) \(name) \(registry)"
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE registry (
                        source TEXT PRIMARY KEY, contract TEXT NOT NULL, block_number INTEGER NOT NULL,
                        block_hash TEXT NOT NULL, block_time INTEGER NOT NULL, relay_count INTEGER NOT NULL) STRICT;
                    CREATE TABLE relay (
                        source TEXT NOT NULL REFERENCES registry ON DELETE CASCADE, position INTEGER NOT NULL,
                        identity TEXT NOT NULL, account TEXT NOT NULL, descriptor_hash TEXT NOT NULL,
                        descriptor_block INTEGER NOT NULL, stake TEXT NOT NULL, heartbeat INTEGER NOT NULL,
                        registered INTEGER NOT NULL, registration_value TEXT, PRIMARY KEY (source, position)) STRICT;
                    CREATE TABLE descriptor (
                        source TEXT NOT NULL REFERENCES registry ON DELETE CASCADE, hash TEXT NOT NULL,
                        bytes BLOB NOT NULL, PRIMARY KEY (source, hash)) STRICT;
                    """)
        }
        migrator.registerMigration("2") { database in
            try database.execute(
                sql: """
                    ALTER TABLE registry ADD COLUMN whole_time INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE registry ADD COLUMN storage_root TEXT NOT NULL DEFAULT '';
                    """)
        }
        return migrator
    }
}

extension Row {
    /// The value of a column; `nil` when it is null, of another type, or not there.
    fileprivate func value<Value: DatabaseValueConvertible>(_ column: String) -> Value? {
        let stored: DatabaseValue? = hasColumn(column) ? self[column] : nil
        return stored.flatMap { Value.fromDatabaseValue($0) }
    }
}

/// A row is not what was written.
private struct DamagedRow: Error, CustomStringConvertible {
    let table: String

    var description: String { "a row of the table \(table) is not what was written" }
}

/// Why the file cannot be used.
public struct CacheProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file.
    public let path: String
    /// What SQLite says.
    public let reason: String

    /// What happened and what to do.
    public var description: String {
        "\(path): the cache of relays cannot be used (\(reason)); remove it, or name another by registry.cache"
    }
}
