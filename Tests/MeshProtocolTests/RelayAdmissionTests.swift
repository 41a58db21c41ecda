import MeshBase
import MeshCrypto
import MeshProtocol
import MeshWire
import Testing

/// Who gets in when many want to.
@Suite struct RelayAdmissionTests {
    /// Strangers who never prove anything, each from the address of its number.
    private static func crowd(_ bench: inout RelayBench, _ connections: Range<UInt64>, from: (UInt64) -> [UInt8]) {
        for connection in connections { bench.connect(connection, from: from(connection)) }
    }

    @Test func oneAddressThatProvesNothingKeepsNobodyOut() throws {
        var bench = RelayBench()
        Self.crowd(&bench, 100..<600) { _ in [203, 0, 113, 9] }
        #expect(bench.core.connectionCount == 16 && bench.core.refusals[.tooManyUnproven] == 484)
        #expect(bench.closed == Array(100..<584), "the oldest made room")
        #expect(bench.refusal(100) == .full)
        try bench.admit(0, as: 1_000)
        #expect(bench.core.admittedCount == 1)
        bench.connect(1_001, from: [203, 0, 113, 9])
        bench.send(1_001, .proof(try bench.proof(1, for: 1_001)))
        #expect(bench.core.admittedCount == 2, "nor a client behind the same address")
    }

    @Test func aVersion6PrefixIsOneAddress() {
        var bench = RelayBench()
        Self.crowd(&bench, 1..<50) { [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0] + [UInt8](repeating: UInt8($0), count: 8) }
        #expect(bench.core.connectionCount == 16)
    }

    @Test func aThousandAddressesThatProveNothingKeepNobodyOut() throws {
        var bench = RelayBench()
        Self.crowd(&bench, 1..<1_001) { [10, 0, UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        #expect(bench.core.connectionCount == 256)
        bench.connect(2_000)
        Self.crowd(&bench, 2_001..<2_200) { [10, 1, UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        bench.send(2_000, .proof(try bench.proof(0, for: 2_000)))
        #expect(bench.core.admittedCount == 1)
        for connection in 1..<2_200 as Range<UInt64> {
            bench.drive { core, actions, _ in core.closed(connection, actions: &actions) }
        }
        #expect(bench.core.tableEntryCount == 0)
    }

    @Test func whoProvesWhenTheRelayHasBecomeFullIsRefusedButForAClientItself() throws {
        var limits = RelaySwitch.Limits()
        limits.clientsMax = 2
        var bench = RelayBench(limits: limits)
        try bench.admit(0, as: 1, instance: 7)
        try bench.admit(1, as: 2)
        #expect(bench.core.isFull)
        try bench.admit(2, as: 3)
        #expect(bench.refusal(3) == .full && bench.core.admittedCount == 2)
        bench.connect(4, from: [198, 51, 100, 1])
        bench.send(4, .proof(try bench.proof(0, for: 4, instance: 7)))
        #expect(bench.refusal(4) == nil && bench.core.admittedCount == 2)
        #expect(bench.closed == [3, 1], "the connection of the address that the client had before")
    }
}
