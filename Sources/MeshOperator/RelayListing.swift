internal import Foundation
internal import Logging
internal import MeshBase
public import MeshControl
internal import MeshEthereum
internal import MeshRegistry

/// The list of relays for people and programs: read anew, or from the cache where no endpoint can prove it.
public struct RelayListing: Sendable {
    private let directory: RelayDirectory
    private let isStale: Bool
    private let endpoints: [EndpointStatus]
    private let milliseconds: Double
    private let cacheMilliseconds: Double
    private let network: RegistryConfiguration.Network

    /// Reads the list. Throws `RegistryFailure` when it cannot be read and none is kept.
    public static func read(_ configuration: RegistryConfiguration) async throws -> RelayListing {
        let log = Logger(label: "registry")
        let clock = ContinuousClock()
        let cacheStart = clock.now
        let cache = DirectoryCache.open(configuration.cache, log: log)
        let client = RegistryClient(configuration.source, transport: HTTPTransport(), cache: cache, log: log)
        await client.loadCache()
        let start = clock.now
        do throws(RegistryFailure) {
            try await client.refresh()
        } catch {
            guard await client.snapshot != nil else { throw error }
            log.warning("\(error); the list that was kept is shown")
        }
        guard let snapshot = await client.snapshot else { throw RegistryFailure.unproven }
        return RelayListing(
            directory: snapshot.directory, isStale: snapshot.isStale, endpoints: await client.endpoints,
            milliseconds: (clock.now - start) / .milliseconds(1),
            cacheMilliseconds: (start - cacheStart) / .milliseconds(1),
            network: configuration.network)
    }

    /// A table, and where it comes from.
    public var text: String {
        var table = TextTable(columns: [
            .left("RELAY"), .left("URL", widthMax: 48), .left("REGION", widthMax: 20), .right("STAKE"),
            .right("LAST BEAT"),
            .left("STATE"),
        ])
        for entry in directory.entries {
            table.append([
                entry.identity.abbreviated, entry.descriptor.map { "\($0.url)" } ?? "-",
                entry.descriptor?.region ?? "-",
                EtherText.ether(entry.stake), age(entry.heartbeat), state(entry),
            ])
        }
        let heading = table.isEmpty ? "no relay is registered" : table.text
        return "\(heading)\n\(footing)"
    }

    /// All that is known of the entries of a relay; `nil` when there is none.
    /// - Parameter text: Its ID, or how that begins.
    public func details(of text: String) -> String? {
        let found = directory.entries.filter { "\($0.identity)".hasPrefix(text.lowercased()) }
        guard !text.isEmpty, !found.isEmpty else { return nil }
        let blocks = found.map { entry in
            """
            relay               \(entry.identity)
            operator            \(entry.account)
            url                 \(TextTable.printable(entry.descriptor.map { "\($0.url)" } ?? "-"))
            region              \(TextTable.printable(entry.descriptor?.region ?? "-"))
            stake               \(EtherText.ether(entry.stake))
            state               \(state(entry))
            last beat           \(age(entry.heartbeat)) before the block
            registered          \(age(entry.registered)) before the block
            registration value  \(entry.registrationValue.map { "\($0)" } ?? "not drawn before the next beat")
            """
        }
        return blocks.joined(separator: "\n\n") + "\n\n\(footing)"
    }

    /// The list as one JSON object.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(JSONValue.object(object)), as: UTF8.self)
    }

    private var object: [String: JSONValue] {
        [
            "chain_id": .string("\(directory.chainID)"), "contract": .string("\(directory.contract)"),
            "stale": .bool(isStale), "read_milliseconds": .integer(Int(milliseconds.rounded())),
            "cache_milliseconds": .integer(Int(cacheMilliseconds.rounded())),
            "requests": .integer(endpoints.reduce(0) { $0 + $1.requests }),
            "block": .object([
                "number": .integer(Int(clamping: directory.blockNumber)), "hash": .string("\(directory.blockHash)"),
                "time": .integer(Int(clamping: directory.blockTime)),
            ]),
            "relays": .array(
                directory.entries.map { entry in
                    .object([
                        "id": .string("\(entry.identity)"), "operator": .string("\(entry.account)"),
                        "url": entry.descriptor.map { .string("\($0.url)") } ?? .null,
                        "region": entry.descriptor?.region.map { .string($0) } ?? .null,
                        "stake_wei": .string("\(entry.stake)"), "heartbeat": .integer(Int(clamping: entry.heartbeat)),
                        "registered": .integer(Int(clamping: entry.registered)),
                        "registration_value": entry.registrationValue.map { .string("\($0)") } ?? .null,
                        "active": .bool(entry.isActive(at: directory.blockTime)),
                    ])
                }),
            "endpoints": .array(
                endpoints.map { endpoint in
                    .object([
                        "name": .string(endpoint.name), "requests": .integer(endpoint.requests),
                        "failures": .integer(endpoint.failures), "lies": .integer(endpoint.lies),
                        "problem": endpoint.problem.map { .string($0) } ?? .null,
                    ])
                }),
        ]
    }

    private var footing: String {
        let count = directory.entries.count { $0.isActive(at: directory.blockTime) }
        let kept = isStale ? "kept from before, NOT current" : "proven by \(endpoints.count) endpoints"
        return
            "\(count) of \(directory.entries.count) relays active; block \(directory.blockNumber) of \(network), \(kept)"
    }

    private func state(_ entry: RelayEntry) -> String {
        guard entry.isActive(at: directory.blockTime) else { return "silent" }
        guard entry.descriptor != nil else { return "no descriptor" }
        return entry.registrationValue == nil ? "no home yet" : "active"
    }

    private func age(_ second: UInt64) -> String {
        let seconds = directory.blockTime > second ? directory.blockTime - second : 0
        return Quantity.duration(milliseconds: seconds * 1000)
    }
}
