internal import Foundation
public import Logging
public import MeshBase
public import MeshControl
internal import MeshRegistry

/// Beats for a registered relay for as long as it runs, and warns before its account is empty.
///
/// A beat is sent when the last one on the chain is 8 hours old, so a relay that restarts often pays no more.
public struct HeartbeatKeeper: Sendable {
    /// Two beats may be missed before a relay counts as silent, after 24 hours.
    static let intervalSeconds: UInt64 = 8 * 3600
    /// After a failure: 16 hours have time for many.
    private static let retrySeconds: UInt64 = 600
    /// Ten days of beats: time enough for a person to send ether.
    private static let beatsLeftMin: UInt128 = 30

    private let account: RegistryOperator
    private let relay: PeerID
    private let log: Logger

    /// Makes a keeper of the beats of `relay`.
    public init(_ account: RegistryOperator, relay: PeerID, log: Logger = Logger(label: "registry")) {
        self.account = account
        self.relay = relay
        self.log = log
    }

    /// Opens the account that a relay's configuration names; `nil` when it names none. Throws in words when its file or its
    /// passphrase cannot be had.
    public static func account(_ registry: RegistryConfiguration?) throws -> RegistryOperator? {
        guard let registry, let keystore = registry.keystore else { return nil }
        let key = try OperatorAccount.open(
            keystore: keystore, passphraseFile: registry.keystorePassphraseFile,
            credentialsDirectory: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"])
        return RegistryOperator(registry, key: key)
    }

    /// Beats until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            let seconds = await turn(at: UInt64(max(0, Date().timeIntervalSince1970)))
            try? await Task.sleep(for: .seconds(seconds))
        }
    }

    /// Beats if it is time at that second since 1970, and answers after how many seconds to look again.
    package func turn(at now: UInt64) async -> UInt64 {
        do {
            return try await beatWhenDue(at: now)
        } catch {
            log.warning(
                "no heartbeat: \(error); it is tried again in 10 min",
                metadata: ["account": "\(account.account)", "relay": "\(relay.abbreviated)"])
            await account.turn()
            return Self.retrySeconds
        }
    }

    private func beatWhenDue(at now: UInt64) async throws -> UInt64 {
        let last = try await account.lastBeat(of: relay)
        let (due, _) = last.heartbeat.addingReportingOverflow(Self.intervalSeconds)
        // The first beat draws the value by which nodes choose their homes.
        guard now >= due || !last.isDrawn else {
            // A relay that was restarted says so as well, and not only after its next beat.
            if let plan = try? await account.propose(.heartbeat(relay), isLimited: true).plan {
                warnIfLow(balance: plan.balance, cost: plan.feeExpected)
            }
            return min(due - now, Self.intervalSeconds)
        }
        let proposal = try await account.propose(.heartbeat(relay), isLimited: true)
        let receipt = try await account.send(proposal)
        log.notice(
            "beat",
            metadata: ["block": "\(receipt.blockNumber)", "gas": "\(receipt.gasUsed)", "relay": "\(relay.abbreviated)"])
        warnIfLow(balance: try await account.balance(), cost: UInt128(receipt.gasUsed) * receipt.gasPrice)
        return Self.intervalSeconds
    }

    private func warnIfLow(balance: UInt128, cost: UInt128) {
        guard cost > 0, balance / cost < Self.beatsLeftMin else { return }
        log.warning(
            "the account has ether for \(balance / cost) more beats only; send it some",
            metadata: ["account": "\(account.account)", "balance": "\(EtherText.ether(balance))"])
    }
}
