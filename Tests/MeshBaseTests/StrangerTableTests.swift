import MeshBase
import Testing

@Suite struct StrangerTableTests {
    @Test func aSourceHasItsShareUntilOneLeaves() throws {
        var table = StrangerTable(countMax: 10, countPerSourceMax: 2)
        let source = try #require(IPAddress(bytes: [192, 0, 2, 1]))
        #expect([table.admit(1, from: source), table.admit(2, from: source)] == [nil, nil])
        #expect(table.hasShare(source))
        table.remove(1)
        table.remove(1)
        #expect(!table.hasShare(source))
        let evicted = table.admit(4, from: source)
        #expect(evicted == nil && table.count == 2)
    }

    @Test func oneMoreOfASourceTakesThePlaceOfTheSourcesOldest() throws {
        var table = StrangerTable(countMax: 10, countPerSourceMax: 2)
        let (one, other) = (
            try #require(IPAddress(bytes: [192, 0, 2, 1])), try #require(IPAddress(bytes: [10, 0, 0, 1]))
        )
        let evicted = [(1, other), (2, one), (3, one), (4, one), (5, one)].map { table.admit($0.0, from: $0.1) }
        #expect(evicted == [nil, nil, nil, 2, 3])
        #expect(table.count == 3 && table.oldest == 1)
    }

    @Test func aFullTableEvictsItsOldest() throws {
        var table = StrangerTable(countMax: 2, countPerSourceMax: 2)
        for id in 1...5 as ClosedRange<UInt64> {
            let source = try #require(IPAddress(bytes: [192, 0, 2, UInt8(id)]))
            let evicted = table.admit(id, from: source)
            #expect(evicted == (id <= 2 ? nil : id - 2))
        }
        #expect(table.count == 2)
    }

    @Test func aVersion6PrefixIsOneSource() throws {
        var table = StrangerTable(countMax: 10, countPerSourceMax: 1)
        let prefix: [UInt8] = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0]
        let first = try #require(IPAddress(bytes: prefix + [UInt8](repeating: 1, count: 8)))
        let second = try #require(IPAddress(bytes: prefix + [UInt8](repeating: 2, count: 8)))
        let evicted = table.admit(1, from: first)
        #expect(evicted == nil && table.hasShare(second))
        let next = try #require(IPAddress(bytes: prefix.dropLast() + [UInt8](repeating: 1, count: 9)))
        #expect(!table.hasShare(next))
    }
}
