internal import Foundation
internal import GRDB
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

    /// Opens the file, or makes it.
    public init(path: String) throws(CacheProblem) {
        do {
            var configuration = Configuration()
            // A second process, such as `shadowmesh registry list`, waits that long for a write to end.
            configuration.busyMode = .timeout(2)
            database = try DatabaseQueue(path: path, configuration: configuration)
            try Self.migrator.migrate(database)
        } catch {
            throw CacheProblem(path: path, reason: "\(error)")
        }
    }

    /// The list that was kept of a registry; `nil` when there is none, or it does not add up.
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
                    sql: "INSERT INTO registry VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        key, "\(directory.contract)", Int64(directory.blockNumber), "\(directory.blockHash)",
                        Int64(directory.blockTime), Int64(directory.entries.count),
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

    /// Reads what was stored; `nil` when a row is not what was written.
    private static func load(_ source: RegistrySource, _ database: Database) throws -> Contents? {
        let key = key(source)
        guard let head = try Row.fetchOne(database, sql: "SELECT * FROM registry WHERE source = ?", arguments: [key]),
            let contract = EthereumAddress(text: head["contract"]), let hash = word(head["block_hash"])
        else { return nil }
        var descriptors: [Word256: [UInt8]] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT * FROM descriptor WHERE source = ?", arguments: [key]) {
            let data: Data = row["bytes"]
            guard let hash = word(row["hash"]), Keccak256.hash(Array(data)) == hash else { return nil }
            descriptors[hash] = Array(data)
        }
        var entries: [RelayEntry] = []
        let sql = "SELECT * FROM relay WHERE source = ? ORDER BY position"
        for row in try Row.fetchAll(database, sql: sql, arguments: [key]) {
            guard var entry = entry(row) else { return nil }
            entry.descriptor = descriptors[entry.descriptorHash].flatMap { RelayDescriptor(bytes: $0) }
            entries.append(entry)
        }
        let count: Int64 = head["relay_count"]
        guard entries.count == Int(count), let number = natural(head["block_number"]),
            let time = natural(head["block_time"])
        else { return nil }
        let directory = RelayDirectory(
            chainID: source.chainID, contract: contract, blockNumber: number, blockHash: hash, blockTime: time,
            entries: entries)
        return Contents(directory: directory, descriptors: descriptors)
    }

    private static func entry(_ row: Row) -> RelayEntry? {
        let value: String? = row["registration_value"]
        guard let identity = PeerID(text: row["identity"]), let account = EthereumAddress(text: row["account"]),
            let descriptorHash = word(row["descriptor_hash"]), let block = natural(row["descriptor_block"]),
            let stake = UInt128(row["stake"] as String), let heartbeat = natural(row["heartbeat"]),
            let registered = natural(row["registered"]), value == nil || value.flatMap({ UInt64($0) }) != nil
        else { return nil }
        return RelayEntry(
            identity: identity, account: account, descriptorHash: descriptorHash, descriptorBlock: block, stake: stake,
            heartbeat: heartbeat, registered: registered, registrationValue: value.flatMap { UInt64($0) })
    }

    private static func word(_ text: String) -> Word256? {
        (try? Hexadecimal.bytes(text)).flatMap { Word256(bytes: $0) }
    }

    private static func natural(_ number: Int64) -> UInt64? { UInt64(exactly: number) }

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
        return migrator
    }
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
