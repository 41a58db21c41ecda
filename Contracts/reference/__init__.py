"""Reference vectors for the Swift client, made by eth-account, eth-abi, rlp, trie and py-evm from a seed."""
