"""A development chain with the relay registry and ENS on it, as JSON-RPC over HTTP.

    .build/contracts-venv/bin/python Contracts/devchain.py [--port 8545] [--relays 200]

Prints one line of JSON when it is ready, and ends on SIGTERM. Its accounts' keys are public knowledge.
"""

from __future__ import annotations

import argparse
import json
import threading

from eth_utils import to_checksum_address

from chain.accounts import ETHER
from chain.rpc import Rpc
from chain.server import Server, serve_until_ended
from chain.setup import NAME, DevelopmentNetwork, Settings, make_network


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A development chain with the relay registry and ENS on it.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    parser.add_argument("--chain-id", type=int, default=31_337)
    parser.add_argument("--accounts", type=int, default=12, help="accounts with ether to make")
    parser.add_argument("--minimum-stake", type=int, default=ETHER // 10, help="of the registry, wei")
    parser.add_argument("--unbonding", type=int, default=7 * 24 * 3600, help="of the registry, seconds")
    parser.add_argument("--relays", type=int, default=0, help="made-up relays to list")
    parser.add_argument("--finality", type=int, default=0, help="blocks by which 'finalized' trails 'latest'")
    parser.add_argument("--log-blocks-max", type=int, default=None, help="longest range that eth_getLogs takes")
    parser.add_argument("--block-seconds", type=float, default=0, help="also mine an empty block every so often")
    return parser.parse_args()


def ready_line(server: Server, network: DevelopmentNetwork, settings: Settings) -> str:
    """What a program that starts this needs to know."""
    line = {
        "rpc": server.url,
        "chain_id": settings.chain_id,
        "registry": to_checksum_address(network.registry.address),
        "registry_block": network.registry_block,
        "minimum_stake": str(settings.minimum_stake),
        "unbonding_seconds": settings.unbonding_seconds,
        "ens": to_checksum_address(network.ens.address),
        "resolver": to_checksum_address(network.resolver.address),
        "name": NAME,
        "accounts": [{"address": a.checksum_address, "key": a.key.to_hex()} for a in network.accounts],
    }
    return json.dumps(line)


def mine_regularly(rpc: Rpc, seconds: float) -> None:
    """Mines empty blocks for as long as the process lives."""
    pause = threading.Event()

    def loop() -> None:
        while not pause.wait(seconds):
            with rpc.lock:
                rpc.chain.mine([])

    threading.Thread(target=loop, daemon=True).start()


def main() -> None:
    """Makes the chain, says so, serves."""
    options = parse()
    settings = Settings(options.chain_id, options.accounts, options.minimum_stake, options.unbonding, options.relays)
    network = make_network(settings)
    rpc = Rpc(network.chain, options.finality, options.log_blocks_max)
    server = Server(options.host, options.port, rpc.answer)
    if options.block_seconds > 0:
        mine_regularly(rpc, options.block_seconds)
    print(ready_line(server, network, settings), flush=True)
    serve_until_ended(server)


if __name__ == "__main__":
    main()
