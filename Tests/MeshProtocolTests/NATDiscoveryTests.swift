import MeshBase
import MeshProtocol
import Testing

@Suite struct NATDiscoveryTests {
    private enum Rule: CaseIterable { case independent, byAddress, byAddressAndPort }

    /// Translator and relay: the relay has two ports, and two addresses if `addresses` says so.
    private struct World {
        var mapping = Rule.independent
        var filtering = Rule.byAddressAndPort
        var isOpen = false
        var isBlocked = false
        var keepsPort = false
        var hairpins = false
        var step: UInt16 = 7_919
        var addresses: [UInt8] = [1, 2]
        /// Of requests, by their place in the order of sending, those that get lost.
        var lost: Set<Int> = []

        private var next: UInt16 = 30_000
        private var ports: [String: UInt16] = [:]
        private var sentTo: [NATDiscovery.Socket: Set<Endpoint>] = [:]
        private(set) var sentCount = 0

        static let locals: [UInt16] = [5_000, 5_001]

        private mutating func outside(_ request: NATDiscovery.Request) -> Endpoint {
            let local = Self.locals[request.socket.rawValue]
            if isOpen { return Endpoint(address: address(77), port: local) }
            if keepsPort { return Endpoint(address: address(99), port: local) }
            let key =
                switch mapping {
                case .independent: "\(request.socket)"
                case .byAddress: "\(request.socket) \(request.server.address)"
                case .byAddressAndPort: "\(request.socket) \(request.server)"
                }
            if ports[key] == nil {
                next &+= step
                ports[key] = next
            }
            return Endpoint(address: address(99), port: ports[key] ?? 0)
        }

        /// The answer to a request, if it comes through.
        mutating func answer(_ request: NATDiscovery.Request) -> (mapped: Endpoint, other: Endpoint?)? {
            sentCount += 1
            guard !isBlocked, !lost.contains(sentCount - 1) else { return nil }
            let mapped = outside(request)
            sentTo[request.socket, default: []].insert(request.server)
            let server = request.server
            let last = server.address.bytes[3]
            let otherLast = addresses.first { $0 != last } ?? last
            let otherPort: UInt16 = server.port == 3_478 ? 3_479 : 3_478
            if request.changesAddress, otherLast == last { return nil }
            let source = Endpoint(
                address: address(request.changesAddress ? otherLast : last),
                port: request.changesPort ? otherPort : server.port)
            let known = sentTo[request.socket] ?? []
            let passesFilter =
                switch filtering {
                case .independent: true
                case .byAddress: known.contains { $0.address == source.address }
                case .byAddressAndPort: known.contains(source)
                }
            return isOpen || passesFilter ? (mapped, Endpoint(address: address(otherLast), port: otherPort)) : nil
        }
    }

    /// Runs a discovery; answers take 40 ms.
    private func discover(
        _ world: inout World, relays: [UInt8] = [1]
    ) -> (behavior: NATBehavior?, milliseconds: UInt64) {
        var machine = NATDiscovery(
            servers: relays.map { Endpoint(address: address($0), port: 3_478) }, localPorts: World.locals,
            localAddresses: [address(77)], at: .zero)
        var milliseconds: UInt64 = 0
        var answers: [(at: UInt64, number: Int, mapped: Endpoint, other: Endpoint?)] = []
        var returns: [(at: UInt64, number: Int)] = []
        while milliseconds <= 3_000 {
            let now = Instant.zero.advanced(milliseconds: milliseconds)
            var actions: [NATDiscovery.Action] = []
            for answer in answers where answer.at == milliseconds {
                machine.answered(answer.number, mapped: answer.mapped, other: answer.other, at: now, actions: &actions)
            }
            for back in returns where back.at == milliseconds {
                machine.returned(back.number, to: .mapping, at: now, actions: &actions)
            }
            if let due = machine.deadline, due <= now { machine.timedOut(at: now, actions: &actions) }
            for action in actions {
                switch action {
                case .send(let number, let request) where request.isHairpin:
                    #expect(request.socket == .filtering && request.server.address == address(99))
                    if world.hairpins { returns.append((milliseconds + 2, number)) }
                case .send(let number, let request):
                    if let (mapped, other) = world.answer(request) {
                        answers.append((milliseconds + 40, number, mapped, other))
                    }
                case .finished(let behavior): return (behavior, milliseconds)
                }
            }
            milliseconds += 1
        }
        return (nil, milliseconds)
    }

    @Test func eachKindIsNamedRightlyInUnderTwoSeconds() {
        let mappings: [(Rule, NATBehavior.Mapping)] = [
            (.independent, .endpointIndependent), (.byAddress, .addressDependent),
            (.byAddressAndPort, .addressAndPortDependent),
        ]
        let filterings: [(Rule, NATBehavior.Filtering, String)] = [
            (.independent, .endpointIndependent, "full cone"), (.byAddress, .addressDependent, "restricted cone"),
            (.byAddressAndPort, .addressAndPortDependent, "port-restricted cone"),
        ]
        for (mapping, expectedMapping) in mappings {
            for (filtering, expectedFiltering, cone) in filterings {
                var world = World()
                (world.mapping, world.filtering) = (mapping, filtering)
                let (behavior, milliseconds) = discover(&world)
                #expect(behavior?.mapping == expectedMapping && behavior?.filtering == expectedFiltering)
                #expect(behavior?.name == (mapping == .independent ? cone : "symmetric"))
                #expect(behavior?.keepsPort == false && behavior?.portStep == nil)
                #expect(milliseconds < 1_000)
            }
        }
    }

    @Test func aHostWithoutATranslatorIsNamed() {
        var world = World()
        world.isOpen = true
        let (behavior, _) = discover(&world)
        #expect(behavior?.name == "none" && behavior?.keepsPort == true)
    }

    @Test(arguments: [false, true]) func hairpinsAreFoundOut(hairpins: Bool) {
        for mapping in Rule.allCases {
            var world = World()
            (world.mapping, world.hairpins) = (mapping, hairpins)
            #expect(discover(&world).behavior?.hairpin == hairpins)
        }
        var open = World()
        open.isOpen = true
        #expect(discover(&open).behavior?.hairpin == nil)
    }

    @Test func blockedUDPIsNamed() {
        var world = World()
        world.isBlocked = true
        let (behavior, milliseconds) = discover(&world, relays: [1, 9])
        #expect(behavior?.name == "UDP blocked" && milliseconds < 1_000)
    }

    @Test func keptPortsAndRegularStepsAreNoticed() {
        var world = World()
        world.keepsPort = true
        #expect(discover(&world).behavior?.keepsPort == true)
        var regular = World()
        (regular.mapping, regular.step) = (.byAddressAndPort, 1)
        #expect(discover(&regular, relays: [1]).behavior?.mapping == .addressAndPortDependent)
    }

    @Test func aRelayWithOneAddressAndTwoRelaysTellWhatTheyCan() {
        var alone = World()
        alone.addresses = [1]
        let (behavior, _) = discover(&alone)
        #expect(behavior?.mapping == .endpointIndependent && behavior?.filtering == .addressAndPortDependent)
        var two = World()
        (two.addresses, two.mapping) = ([1], .byAddressAndPort)
        #expect(discover(&two, relays: [1, 9]).behavior?.name == "symmetric")
    }

    @Test(arguments: 0..<6)
    func aLostPacketChangesNothing(place: Int) {
        for (mapping, filtering) in [(Rule.independent, Rule.byAddress), (.byAddressAndPort, .byAddressAndPort)] {
            var world = World()
            (world.mapping, world.filtering) = (mapping, filtering)
            var calm = world
            world.lost = [place]
            let (found, milliseconds) = discover(&world)
            #expect(found?.name == discover(&calm).behavior?.name && milliseconds < 2_000)
        }
    }

    @Test func noMoreThanThirtySixRequestsAreSent() {
        var world = World()
        world.isBlocked = true
        _ = discover(&world, relays: [1, 2, 3, 4, 5, 6])
        #expect(world.sentCount <= 36)
    }
}

private func address(_ last: UInt8) -> IPAddress { IPAddress(bytes: [192, 0, 2, last])! }
