import Logging
import MeshBase
import MeshControl
import MeshCrypto
import MeshEthereum
import MeshOperator
import MeshRegistry
import MeshSigner
import Testing

private let relay = PeerID(bytes: [UInt8](repeating: 7, count: 32))

private func makeOperator(
    _ chain: ScriptedChain, network: RegistryConfiguration.Network = .development, gasPriceGweiMax: Int = 100,
    rpc: [String] = ["http://one.example"]
) throws -> RegistryOperator {
    var configuration = RegistryConfiguration(rpc: rpc)
    configuration.network = network
    configuration.contract = .address(ENSCalls.registryAddress)
    configuration.gasPriceGweiMax = gasPriceGweiMax
    let key = try #require(EthereumKey(Secret([UInt8](repeating: 1, count: 32))))
    return RegistryOperator(configuration, key: key, transport: chain)
}

@Suite struct ProposalTests {
    @Test func aProposalSaysWhatItCostsAndSendsNothing() async throws {
        let chain = ScriptedChain()
        let proposal = try await makeOperator(chain).propose(.heartbeat(try #require(relay)))
        #expect(chain.sent.isEmpty)
        #expect(proposal.plan.gasEstimate == 30_000 && proposal.plan.transaction.gasLimit == 36_000)
        #expect(proposal.plan.feeExpected == 60_000_000_000_000)
        for part in [
            "gas       30000, at most 36000", "fee       0.00006 ETH at 2 gwei, at most 0.000144 ETH", "1 ETH",
        ] {
            #expect(proposal.text.contains(part), "\(proposal.text)")
        }
    }

    @Test func onlyTheMainNetworksMoneyNeedsConfirmation() async throws {
        let networks: [(RegistryConfiguration.Network, String)] = [
            (.mainnet, "0x1"), (.sepolia, "0xaa36a7"), (.development, "0x7a69"), (.init(chainID: 10), "0xa"),
        ]
        for (network, chainID) in networks {
            let subject = try makeOperator(ScriptedChain { $0.chainID = chainID }, network: network)
            let proposal = try await subject.propose(.withdraw(try #require(relay)))
            #expect(proposal.needsConfirmation == (network == .mainnet), "\(network)")
            #expect(proposal.plan.transaction.chainID == network.chainID)
        }
    }

    @Test func anotherChainIsNotSentTo() async throws {
        let subject = try makeOperator(ScriptedChain { $0.chainID = "0x1" })
        let id = try #require(relay)
        await #expect(throws: TransactionFailure.wrongChain(found: 1, expected: 31_337)) {
            try await subject.propose(.heartbeat(id))
        }
    }

    @Test func whoeverCannotPayIsToldSo() async throws {
        let id = try #require(relay)
        for balance in ["0x0", "0x2387c4ae000"] {
            let subject = try makeOperator(ScriptedChain { $0.balance = balance })
            do throws(any Error) {
                _ = try await subject.propose(.heartbeat(id))
                Issue.record("it is proposed")
            } catch { #expect("\(error)".contains("send it ether; nothing was sent")) }
        }
    }

    @Test func numbersThatNoChainHasAreRefused() async throws {
        let id = try #require(relay)
        let huge = "0x" + String(repeating: "f", count: 64)
        let changes: [(inout ScriptedChain.State) -> Void] = [
            { $0.baseFee = huge }, { $0.gas = huge }, { $0.balance = huge },
            { $0.baseFee = "0x" + String(repeating: "f", count: 32) },
            { $0.gas = "0xffffffffffffffff" }, { $0.chainID = huge }, { $0.baseFee = "no" },
        ]
        for change in changes {
            let subject = try makeOperator(ScriptedChain(change))
            await #expect(throws: TransactionFailure.self) { try await subject.propose(.heartbeat(id)) }
        }
        // A tip that nobody would pay is not paid.
        let subject = try makeOperator(ScriptedChain { $0.tip = huge })
        #expect(try await subject.propose(.heartbeat(id)).plan.transaction.maxPriorityFeePerGas == 2_000_000_000)
    }
}

@Suite struct HeartbeatTests {
    private static let eightHours: UInt64 = 8 * 3600

    private static func keeper(
        _ chain: ScriptedChain, _ log: KeptLog, gasPriceGweiMax: Int = 100
    ) throws -> HeartbeatKeeper {
        HeartbeatKeeper(
            try makeOperator(chain, gasPriceGweiMax: gasPriceGweiMax), relay: try #require(relay), log: log.logger)
    }

    @Test func aBeatIsSentWhenTheLastOneIsEightHoursOld() async throws {
        let (chain, log) = (ScriptedChain(), KeptLog())
        let keeper = try Self.keeper(chain, log)
        #expect(await keeper.turn(at: 1_000_000) == Self.eightHours)
        #expect(await keeper.turn(at: 1_000_000 + Self.eightHours - 1) == 1)
        #expect(chain.sent.isEmpty)
        #expect(await keeper.turn(at: 1_000_000 + Self.eightHours) == Self.eightHours)
        #expect(chain.sent.count == 1 && log.all == ["notice beat"])
    }

    @Test func theFirstBeatDrawsTheValueAndIsNotWaitedFor() async throws {
        let (chain, log) = (ScriptedChain { $0.isDrawn = false }, KeptLog())
        #expect(await (try Self.keeper(chain, log)).turn(at: 1_000_001) == Self.eightHours)
        #expect(chain.sent.count == 1)
    }

    @Test func anAccountThatGetsLowIsWarnedOf() async throws {
        // 29 beats of 30,000 units at 2 gwei; a beat that was sent cost a little less than that.
        let low: (inout ScriptedChain.State) -> Void = { $0.balance = "0x62e8551e8c000" }
        let atStart = KeptLog()
        _ = await (try Self.keeper(ScriptedChain(low), atStart)).turn(at: 1_000_000)
        #expect(atStart.all == ["warning the account has ether for 29 more beats only; send it some"])
        let afterwards = KeptLog()
        _ = await (try Self.keeper(ScriptedChain(low), afterwards)).turn(at: 2_000_000)
        #expect(
            afterwards.all == ["notice beat", "warning the account has ether for 29 more beats only; send it some"])
    }

    @Test(arguments: 0..<3) func anEndpointThatLiesCannotKeepARelayFromBeating(liar: Int) async throws {
        let endpoints = ["http://one.example", "http://two.example", "http://three.example"]
        // It beat a moment ago, says the liar, and forges receipts of what it keeps to itself.
        let lie: ScriptedChain.Lie = { method, truth in
            switch method {
            case "eth_call": ScriptedChain.node(heartbeat: 5_000_000)
            case "eth_sendRawTransaction": .string("0x00")
            default: truth
            }
        }
        let (chain, log) = (ScriptedChain(liars: [endpoints[liar]: lie]), KeptLog())
        let account = try makeOperator(chain, rpc: endpoints)
        let keeper = HeartbeatKeeper(account, relay: try #require(relay), log: log.logger)
        #expect(await keeper.turn(at: 2_000_000) == Self.eightHours)
        #expect(Set(chain.sent).count == 1 && chain.sent.count == 2)
        // Nor can one that says that it never beat make it beat all the time.
        let old = ScriptedChain(liars: [
            endpoints[liar]: { method, truth in method == "eth_call" ? ScriptedChain.node(heartbeat: 1) : truth }
        ])
        let other = HeartbeatKeeper(
            try makeOperator(old, rpc: endpoints), relay: try #require(relay), log: log.logger)
        #expect(await other.turn(at: 1_000_000) == Self.eightHours)
        #expect(old.sent.isEmpty)
    }

    @Test func anEndpointWithWhichNoBeatComesOffIsAskedLast() async throws {
        let endpoints = ["http://one.example", "http://two.example"]
        let chain = ScriptedChain(liars: [
            endpoints[0]: { method, truth in method == "eth_chainId" ? .string("0x1") : truth }
        ])
        let log = KeptLog()
        let keeper = HeartbeatKeeper(
            try makeOperator(chain, rpc: endpoints), relay: try #require(relay), log: log.logger)
        #expect(await keeper.turn(at: 2_000_000) == 600)
        #expect(chain.sent.isEmpty)
        #expect(await keeper.turn(at: 2_000_600) == Self.eightHours)
        #expect(chain.sent.count == 1)
    }

    @Test func dearGasIsWaitedOut() async throws {
        let (chain, log) = (ScriptedChain { $0.baseFee = "0xba43b7400" }, KeptLog())
        #expect(await (try Self.keeper(chain, log, gasPriceGweiMax: 50)).turn(at: 2_000_000) == 600)
        #expect(chain.sent.isEmpty && log.all.count == 1)
        #expect(log.all[0].hasPrefix("warning no heartbeat: gas costs 51 gwei, more than the 50 gwei that are allowed"))
    }

    @Test func aRelayThatIsNotRegisteredIsSaidToBe() async throws {
        let (chain, log) = (ScriptedChain { $0.heartbeat = nil }, KeptLog())
        #expect(await (try Self.keeper(chain, log)).turn(at: 2_000_000) == 600)
        #expect(chain.sent.isEmpty && log.all.count == 1 && log.all[0].contains("not registered"))
    }
}
