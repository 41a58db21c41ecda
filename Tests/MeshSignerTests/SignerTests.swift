import Foundation
import MeshCrypto
import MeshEthereum
import MeshSigner
import MeshTestSupport
import Testing

private func hex(_ text: String) throws -> [UInt8] { try Hexadecimal.bytes("0x" + text) }

@Suite struct KeyTests {
    @Test func whatIsNoKeyIsRefused() throws {
        let order = try hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        for bytes in [[UInt8](repeating: 0, count: 32), order, [UInt8](repeating: 1, count: 31), []] {
            #expect(EthereumKey(Secret(bytes)) == nil)
        }
        #expect(EthereumKey(Secret(order.dropLast() + [0x40])) != nil)
    }

    @Test func aKeystoreThatIsWrittenIsRead() throws {
        var entropy = EntropySource.seeded(1)
        let key = EthereumKey.random(entropy: &entropy)
        let passphrase = Array("a passphrase".utf8)
        let file = try Keystore.encrypt(key, passphrase: passphrase, rounds: 2, entropy: &entropy)
        #expect(try Keystore.decrypt(file, passphrase: passphrase).address == key.address)
        #expect(throws: KeystoreError.wrongPassphrase) { try Keystore.decrypt(file, passphrase: [1]) }
        let text = String(decoding: file, as: UTF8.self)
        let other = text.replacing(Hexadecimal.digits(key.address.bytes), with: String(repeating: "1", count: 40))
        #expect(throws: KeystoreError.otherAddress) { try Keystore.decrypt(Array(other.utf8), passphrase: passphrase) }
        for count in stride(from: 0, to: file.count, by: 7) {
            #expect(throws: KeystoreError.notAKeystore) {
                try Keystore.decrypt(Array(file.prefix(count)), passphrase: passphrase)
            }
        }
    }

    @Test(arguments: [
        ("\"n\":2,", "\"n\":8388608,"), ("\"n\":2,", "\"n\":3,"), ("\"n\":2,", "\"n\":-2,"),
        ("\"p\":1", "\"p\":1000000"),
        ("\"r\":8", "\"r\":0"), ("\"r\":8", "\"r\":9223372036854775807"), ("\"dklen\":32", "\"dklen\":8"),
        ("\"version\":3", "\"version\":1"),
        ("aes-128-ctr", "aes-128-cbc"), ("scrypt", "argon2id"),
    ]) func hostileParametersAreRefused(text: String, replacement: String) throws {
        var entropy = EntropySource.seeded(2)
        let key = EthereumKey.random(entropy: &entropy)
        let file = try Keystore.encrypt(key, passphrase: [1], rounds: 2, entropy: &entropy)
        let changed = String(decoding: file, as: UTF8.self).replacing(text, with: replacement)
        #expect(changed != String(decoding: file, as: UTF8.self))
        do throws(KeystoreError) {
            _ = try Keystore.decrypt(Array(changed.utf8), passphrase: [1])
            Issue.record("\(replacement) is taken")
        } catch { #expect(error != .wrongPassphrase && error != .otherAddress) }
    }
}

/// What eth-account made (Tests/Vectors/registry/README.md).
@Suite(
    .enabled(
        if: RegistryVectors.has("accounts"),
        "the registry's vectors are not there"))
struct SignerVectorTests {
    @Test func keysHaveTheSameAddresses() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var key, checksumAddress: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("accounts")
        for vector in file.vectors {
            #expect(EthereumKey(Secret(try hex(vector.key)))?.address.description == vector.checksumAddress)
        }
        print("\(file.vectors.count) keys")
    }

    @Test func transactionsAreSignedToTheSameBytes() throws {
        struct File: Decodable {
            struct Vector: Decodable {
                var key, chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data, raw: String
            }
            var vectors: [Vector]
        }
        let file: File = try RegistryVectors.read("transactions")
        for vector in file.vectors {
            let key = try #require(EthereumKey(Secret(try hex(vector.key))))
            let transaction = FeeMarketTransaction(
                chainID: try #require(UInt64(vector.chainId)), nonce: try #require(UInt64(vector.nonce)),
                maxPriorityFeePerGas: try #require(UInt128(vector.maxPriorityFeePerGas)),
                maxFeePerGas: try #require(UInt128(vector.maxFeePerGas)), gasLimit: try #require(UInt64(vector.gas)),
                to: EthereumAddress(bytes: try hex(vector.to)), value: try #require(UInt128(vector.value)),
                data: try hex(vector.data))
            #expect(transaction.encoded(signature: key.sign(transaction.signingHash)) == (try hex(vector.raw)))
        }
        print("\(file.vectors.count) transactions")
    }

    @Test func keystoresAreOpenedOrRefused() throws {
        let file = try #require(JSONSerialization.jsonObject(with: RegistryVectors.data("keystores")) as? [String: Any])
        let accepted = try #require(file["accepted"] as? [[String: Any]])
        let refused = try #require(file["refused"] as? [[String: Any]])
        func open(_ vector: [String: Any]) throws -> EthereumKey {
            let keystore = try JSONSerialization.data(withJSONObject: try #require(vector["keystore"]))
            let passphrase = try #require(vector["passphrase"] as? String)
            return try Keystore.decrypt(Array(keystore), passphrase: Array(passphrase.utf8))
        }
        for vector in accepted {
            let key = EthereumKey(Secret(try hex(try #require(vector["key"] as? String))))
            #expect(try open(vector).address == key?.address)
        }
        for vector in refused {
            #expect(throws: KeystoreError.wrongPassphrase, "\(vector["reason"] ?? "")") { try open(vector) }
        }
        print("\(accepted.count) keystores opened, \(refused.count) refused")
    }
}
