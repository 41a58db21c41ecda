"""A development chain: real EVM, real headers and tries (py-evm), standard JSON-RPC over HTTP."""
