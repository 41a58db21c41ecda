import MeshBase
import MeshTransport
import Testing

@Suite struct StunServersTests {
    private func server(_ number: Int, isVersion6: Bool = false) -> Endpoint {
        let low = [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
        let bytes = isVersion6 ? [0xFD] + [UInt8](repeating: 0, count: 13) + low : [203, 0] + low
        return Endpoint(address: IPAddress(bytes: bytes)!, port: 3478)
    }

    @Test func aRelayThatMovesHasNewServicesInPlaceOfItsOldOnes() {
        var servers = StunServers()
        let unused = [
            servers.name(server(1), by: 0), servers.name(server(1, isVersion6: true), by: 0),
            servers.name(server(1), by: 1),
            // The other relay is still found there.
            servers.name(server(2), by: 0), servers.name(server(3), by: 1),
        ]
        #expect(unused == [[], [], [], [], [server(1)]])
        #expect(servers.all == [server(2), server(3), server(1, isVersion6: true)])
        #expect(servers.contains(server(2)) && !servers.contains(server(1)))
    }

    @Test func aServiceThatIsSilentIsForgottenUnlessOneOfItsRelaysIsConnected() {
        var servers = StunServers()
        _ = servers.name(server(1), by: 0)
        _ = servers.name(server(1), by: 1)
        let isUnused = [
            servers.failed(server(1)) { $0 == 1 }, servers.failed(server(1)) { _ in false },
            servers.failed(server(1)) { _ in false },
        ]
        #expect(isUnused == [false, true, false])
        #expect(servers.all.isEmpty)
    }

    @Test func aFurtherAddressOfAServiceGoesWithIt() {
        var servers = StunServers()
        _ = servers.name(server(1), by: 0)
        servers.add(server(2), besides: server(1))
        servers.add(server(3), besides: server(9))
        #expect(servers.all == [server(1), server(2)])
        let unused = servers.name(server(4), by: 0)
        #expect(Set(unused) == [server(1), server(2)])
    }

    /// As a node does for years: it never has more than `serversMax` services to ask.
    @Test func relaysComeGoAndMoveForeverAndTheNewestIsAlwaysAsked() {
        var servers = StunServers()
        var transactions = StunTransactions(random: { 1 })
        var actions: [StunTransactions.Action] = []
        let connectedCount = 8
        for round in 0..<2_000 {
            let now = Instant.zero.advanced(milliseconds: UInt64(round) * 60_000)
            // Each relay takes the place of the one that came eight rounds before, and every third moves.
            let address = round % 3 == 0 ? round : round + 10_000
            for isVersion6 in [false, true] {
                let new = server(address, isVersion6: isVersion6)
                let relay = round % 3 == 0 ? round - 1 : round
                for old in servers.name(new, by: relay) {
                    transactions.handle(.forget(old), at: now, actions: &actions)
                }
                transactions.handle(.observe(new), at: now, actions: &actions)
            }
            for old in servers.all where servers.failed(old, connected: { $0 > round - connectedCount }) {
                transactions.handle(.forget(old), at: now, actions: &actions)
            }
            #expect(Set(transactions.servers) == servers.all)
        }
        #expect(!actions.contains { if case .failed(.tooManyServers, _) = $0 { true } else { false } })
    }
}
