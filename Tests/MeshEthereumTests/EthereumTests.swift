import MeshEthereum
import Testing

@Suite struct BlockHeaderTests {
    private static let zeros = "0x" + String(repeating: "0", count: 64)

    /// The first block of the main network.
    private static let genesis = [
        "parentHash": zeros, "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner": "0x" + String(repeating: "0", count: 40),
        "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
        "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "logsBloom": "0x" + String(repeating: "0", count: 512), "difficulty": "0x400000000", "number": "0x0",
        "gasLimit": "0x1388", "gasUsed": "0x0", "timestamp": "0x0",
        "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa", "mixHash": zeros,
        "nonce": "0x0000000000000042",
    ]

    @Test func theHashOfTheFirstBlockIsKnown() throws {
        let header = try BlockHeader { Self.genesis[$0] }
        #expect(header.hash.description == "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")
        #expect(header.stateRoot.description == Self.genesis["stateRoot"])
        #expect(header.number == 0 && header.timestamp == 0 && header.baseFeePerGas == nil)
    }

    @Test func everyFieldCounts() throws {
        let hash = try BlockHeader { Self.genesis[$0] }.hash
        for (name, text) in Self.genesis {
            var changed = Self.genesis
            changed[name] = text.dropLast() + (text.last == "1" ? "2" : "1")
            #expect(try BlockHeader { changed[$0] }.hash != hash, "\(name)")
            changed[name] = nil
            #expect(throws: BlockHeaderError.missing(name)) { try BlockHeader { changed[$0] } }
            changed[name] = "0x" + String(repeating: "1", count: 9_999)
            #expect(throws: BlockHeaderError.malformed(name)) { try BlockHeader { changed[$0] } }
        }
    }

    @Test func laterFieldsComeInOrder() throws {
        var fields = Self.genesis
        fields["baseFeePerGas"] = "0x7"
        #expect(try BlockHeader { fields[$0] }.baseFeePerGas == 7)
        fields["blobGasUsed"] = "0x0"
        #expect(throws: BlockHeaderError.missing("withdrawalsRoot")) { try BlockHeader { fields[$0] } }
    }
}

@Suite struct ENSTests {
    /// The examples of EIP-137.
    @Test func namesAreHashedFromTheirEnd() throws {
        let name = try #require(ENSName("foo.eth"))
        #expect(name.node.description == "0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f")
        #expect(ENSName("FOO.eth") == name)
    }

    @Test(arguments: ["", "eth", ".eth", "a..eth", "a b.eth", "é.eth", "xn--a.eth", "a_b.eth", "a.eth."])
    func otherNamesAreRefused(text: String) { #expect(ENSName(text) == nil) }

    @Test func callsAndAnswersHaveTheFormOfTheABI() throws {
        let name = try #require(ENSName("foo.eth"))
        #expect(ENSCalls.resolver(of: name) == [0x01, 0x78, 0xB8, 0xBF] + name.node.bytes)
        #expect(ENSCalls.address(of: name) == [0x3B, 0x3B, 0x57, 0xDE] + name.node.bytes)
        #expect(try ENSCalls.answer(Word256.zero.bytes) == nil)
        #expect(ENSCalls.registryAddress.description == "0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e")
    }
}

/// Computed with eth_utils; a proof of a real resolver without versions is in registry.json.
@Suite struct ENSStorageTests {
    @Test func recordsAreWhereSolidityKeepsThem() throws {
        let name = try #require(ENSName("chronara.eth"))
        #expect(
            ENSStorage.recordSlots(of: name).map(\.description) == [
                "0xec932ef738c0b4366382b93293b4fa4c4564bc6781b8e447edc452943958f4c8",
                "0xec932ef738c0b4366382b93293b4fa4c4564bc6781b8e447edc452943958f4c9",
            ])
        #expect(
            ENSStorage.versionSlot(of: name).description
                == "0xec932ef738c0b4366382b93293b4fa4c4564bc6781b8e447edc452943958f4c8")
        #expect(
            ENSStorage.addressSlot(of: name, version: 0).description
                == "0xe160cbea877fee4fcd62069749330a777262641bac5ea1ff3b23040825cb9f05")
        #expect(
            ENSStorage.addressSlot(of: name, version: 3).description
                == "0x3ed7782f3f40c54117e66d03a4a1ba649332ba8e221f3e3ccd1431dde34115cf")
        #expect(
            ENSStorage.addressSlot(of: name).description
                == "0x3a1f6a4e544fd485202c72e6360ef03bd35dae65a79534fb5d0efc29f6f94b89")
    }

    @Test func wordsThatHoldNoAddressAreNone() throws {
        let address = [UInt8](repeating: 0x11, count: 20)
        func word(_ bytes: [UInt8]) throws -> Word256 { try #require(Word256(bytes: bytes)) }
        let zeros = [UInt8](repeating: 0, count: 11)
        #expect(ENSStorage.address(shortBytes: try word(address + zeros + [40]))?.bytes == address)
        for bad in [
            address + zeros + [41], address + zeros + [38], address + zeros.dropLast() + [1, 40],
            [UInt8](repeating: 0, count: 31) + [40], [UInt8](repeating: 0, count: 32),
        ] { #expect(ENSStorage.address(shortBytes: try word(bad)) == nil) }
    }

    @Test func aRecordWithoutOwnerIsNone() throws {
        let resolver = Word256(UInt64(7))
        #expect(ENSStorage.resolver(record: [resolver, resolver])?.word == resolver)
        #expect(ENSStorage.resolver(record: [.zero, resolver]) == nil)
        #expect(ENSStorage.resolver(record: [resolver, .zero]) == nil)
        #expect(ENSStorage.resolver(record: [resolver]) == nil)
    }
}
