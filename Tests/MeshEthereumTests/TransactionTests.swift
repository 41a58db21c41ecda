import MeshEthereum
import Testing

@Suite struct TransactionTests {
    /// Made by eth-account 0.14.0 from a key of 32 bytes of 0x46.
    @Test func aSignedTransactionHasTheBytesOfAnotherImplementation() throws {
        let transaction = FeeMarketTransaction(
            chainID: 11_155_111, nonce: 7, maxPriorityFeePerGas: 1_500_000_000, maxFeePerGas: 30_000_000_000,
            gasLimit: 133_333, to: EthereumAddress(text: "0x3535353535353535353535353535353535353535"),
            value: 1_000_000_000_000_000_000, data: [0xAB, 0xCD])
        #expect(
            transaction.signingHash.description == "0x01026dcbed0f06b0f38c8716cf2436df48d356ad7245193ae5362cfa7112df60")
        let signature = RecoverableSignature(
            r: try Hexadecimal.quantity("0xdef711d07327476719ca42dff4ce7dcb124f748f63b448f0824694905fda23f9"),
            s: try Hexadecimal.quantity("0x1d6044f8b43aaea2e4ec45bed0dbf977fa4dea058e9031a1940a3b20d3ba1948"), parity: 0
        )
        let expected = [
            "02f87983aa36a7078459682f008506fc23ac00830208d594353535353535353535353535353535353535353588",
            "0de0b6b3a764000082abcdc080a0def711d07327476719ca42dff4ce7dcb124f748f63b448f0824694905fda23",
            "f9a01d6044f8b43aaea2e4ec45bed0dbf977fa4dea058e9031a1940a3b20d3ba1948",
        ]
        #expect(transaction.encoded(signature: signature) == (try Hexadecimal.bytes("0x" + expected.joined())))
    }
}
