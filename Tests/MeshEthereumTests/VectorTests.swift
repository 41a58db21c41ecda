import Foundation
import MeshEthereum
import MeshTestSupport
import Testing

/// What other implementations made (Tests/Vectors/registry/README.md).
@Suite(
    .enabled(
        if: RegistryVectors.has("keccak"),
        "the registry's vectors are not there"))
struct VectorTests {
    @Test func hashesAreTheSame() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var message, digest: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("keccak")
        for vector in file.vectors {
            #expect(Keccak256.hash(try hex(vector.message)).bytes == (try hex(vector.digest)))
        }
        print("\(file.vectors.count) hashes")
    }

    @Test func addressesFollowFromPublicKeys() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var publicKey, address, checksumAddress: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("accounts")
        for vector in file.vectors {
            let address = EthereumAddress(lowerBytesOf: Keccak256.hash(try hex(vector.publicKey)))
            #expect(address.bytes == (try hex(vector.address)))
            #expect(address.description == vector.checksumAddress)
            #expect(EthereumAddress(text: vector.checksumAddress) == address)
        }
        print("\(file.vectors.count) addresses")
    }

    @Test func namesHaveTheSameNodes() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var name, node: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("names")
        for vector in file.vectors {
            #expect(ENSName.node(of: vector.name).bytes == (try hex(vector.node)), "\(vector.name)")
        }
        print("\(file.vectors.count) names")
    }

    @Test func theOneEncodingOfRLPIsTakenAndNoOther() throws {
        struct File: Decodable {
            struct Accepted: Decodable {
                var item: VectorValue
                var encoding: String
            }
            struct Refused: Decodable {
                var reason, encoding: String
            }
            var accepted: [Accepted]
            var refused: [Refused]
        }
        func item(_ value: VectorValue) throws -> RLPItem {
            switch value {
            case .text(let text): .bytes(try hex(text))
            case .list(let values): .list(try values.map(item))
            case .flag: try #require(nil as RLPItem?)
            }
        }
        let file: File = try RegistryVectors.read("rlp")
        for vector in file.accepted {
            let item = try item(vector.item)
            let encoding = try hex(vector.encoding)
            #expect(item.encoded == encoding)
            #expect(try RLPDecoder.decode(encoding) == item)
        }
        for vector in file.refused {
            let encoding = try hex(vector.encoding)
            #expect(throws: RLPError.self, "\(vector.reason)") { try RLPDecoder.decode(encoding) }
        }
        print("\(file.accepted.count) encodings taken, \(file.refused.count) refused")
    }

    @Test func argumentsAreWrittenAndReadTheSame() throws {
        struct File: Decodable {
            struct Accepted: Decodable {
                var types: [String]
                var values: [VectorValue]
                var encoding: String
            }
            struct Refused: Decodable {
                var reason: String
                var types: [String]
                var encoding: String
            }
            var accepted: [Accepted]
            var refused: [Refused]
        }
        let file: File = try RegistryVectors.read("abi")
        for vector in file.accepted {
            let types = try vector.types.map { try ABIType(text: $0) }
            let values = try zip(vector.values, types).map { try $0.value($1) }
            let encoding = try hex(vector.encoding)
            #expect(types.map(\.description) == vector.types)
            #expect(try ABIEncoder.encode(values, as: types) == encoding)
            #expect(try ABIDecoder.decode(encoding, as: types) == values)
        }
        for vector in file.refused {
            let types = try vector.types.map { try ABIType(text: $0) }
            let encoding = try hex(vector.encoding)
            #expect(throws: ABIError.self, "\(vector.reason)") { try ABIDecoder.decode(encoding, as: types) }
        }
        print("\(file.accepted.count) arguments taken, \(file.refused.count) refused")
    }

    @Test func signedTransactionsHaveTheSameBytes() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data: String
                var signingHash, raw, hash: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("transactions")
        for vector in file.vectors {
            let transaction = FeeMarketTransaction(
                chainID: try #require(UInt64(vector.chainId)), nonce: try #require(UInt64(vector.nonce)),
                maxPriorityFeePerGas: try #require(UInt128(vector.maxPriorityFeePerGas)),
                maxFeePerGas: try #require(UInt128(vector.maxFeePerGas)), gasLimit: try #require(UInt64(vector.gas)),
                to: EthereumAddress(bytes: try hex(vector.to)), value: try #require(UInt128(vector.value)),
                data: try hex(vector.data))
            #expect(transaction.signingHash.bytes == (try hex(vector.signingHash)))
            let raw = try hex(vector.raw)
            let items = try #require(try RLPDecoder.decode(Array(raw.dropFirst())).items)
            let parts = try items.suffix(3).map { try #require($0.stringBytes.flatMap { Word256(bigEndian: $0) }) }
            let signature = RecoverableSignature(
                r: parts[1], s: parts[2], parity: UInt8(try #require(parts[0].uint64)))
            #expect(transaction.encoded(signature: signature) == raw)
            #expect(Keccak256.hash(raw).bytes == (try hex(vector.hash)))
        }
        print("\(file.vectors.count) transactions")
    }

    @Test func proofsHoldOrDoNot() throws {
        struct File: Decodable {
            struct Claim: Decodable {
                var reason: String?
                var root, path, value: String
                var proof: [String]
            }
            var accepted: [Claim]
            var refused: [Claim]
        }
        func holds(_ claim: File.Claim) throws -> Bool {
            var nodes = TrieNodes()
            for node in claim.proof { try nodes.insert(try hex(node)) }
            let root = try #require(Word256(bytes: try hex(claim.root)))
            let value = try TrieProof.value(at: try hex(claim.path), root: root, nodes: nodes)
            return (value ?? []) == (try hex(claim.value))
        }
        let file: File = try RegistryVectors.read("tries")
        for claim in file.accepted { #expect(try holds(claim)) }
        for claim in file.refused { #expect((try? holds(claim)) != true, "\(claim.reason ?? "")") }
        print("\(file.accepted.count) claims hold, \(file.refused.count) do not")
    }

    @Test func headersHashToTheirBlocks() throws {
        struct File: Decodable {
            struct Registry: Decodable {
                var block: [String: Field]
            }
            enum Field: Decodable {
                case text(String)
                case other

                init(from decoder: any Decoder) throws {
                    self = (try? decoder.singleValueContainer().decode(String.self)).map { .text($0) } ?? .other
                }

                var text: String? {
                    guard case .text(let text) = self else { return nil }
                    return text
                }
            }
            var empty, listed: Registry
        }
        let file: File = try RegistryVectors.read("registry")
        for registry in [file.empty, file.listed] {
            let header = try BlockHeader { registry.block[$0]?.text }
            #expect(header.hash.description == registry.block["hash"]?.text)
            #expect(header.stateRoot.description == registry.block["stateRoot"]?.text)
            #expect(header.baseFeePerGas != nil)
        }
    }
}
