"""How often random ports are hit: some sockets behind a translator that draws ports at random, some ports tried from outside,
with plain sockets through the kernel's translator; beside what the arithmetic says.

Usage: nat_odds.py [TRIES], under run.sh. Prints a table; a way is open when one datagram came in.
"""

import random
import sys
import time

from lab import ADDRESS4, say
from nat import Side, udp_socket
from nat_boxes import public

PORTS = range(1024, 65536)
# Sockets behind the translator, ports tried; the first ones are EasyTier's.
ATTEMPTS = [(84, 180), (84, 720), (256, 256), (256, 1024), (256, 2000)]
# Small enough for every queue on the way.
BURST, PAUSE_SECONDS = 50, 0.003


def computed(sockets, tried):
    """The part of attempts that a spray of different ports hits."""
    missed = 1.0
    for number in range(tried):
        missed *= 1 - sockets / (len(PORTS) - number)
    return 1 - missed


def is_hit(host, box, sockets, tried):
    """One attempt."""
    outer = udp_socket("relay", ADDRESS4["relay"])
    inner = [udp_socket(host, timeout=0) for _ in range(sockets)]
    try:
        for number, one in enumerate(inner):
            one.sendto(b"hello", outer.getsockname())
            if number % BURST == 0:
                time.sleep(PAUSE_SECONDS)
        time.sleep(0.1)
        for number, port in enumerate(random.sample(PORTS, tried)):
            outer.sendto(b"hello", (box, port))
            if number % BURST == 0:
                time.sleep(PAUSE_SECONDS)
        time.sleep(0.2)
        return any(has_something(one) for one in inner)
    finally:
        for one in [outer, *inner]:
            one.close()


def has_something(one):
    try:
        one.recv(100)
        return True
    except BlockingIOError:
        return False


def main():
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    side = Side("nat0-a", public(0, "a"), "symmetric-random")
    try:
        say("sockets   ports   computed   measured")
        for sockets, tried in ATTEMPTS:
            hits = 0
            for _ in range(tries):
                side.forget()
                hits += is_hit(side.hosts[0], side.public, sockets, tried)
            say(f"{sockets:7}{tried:8}{computed(sockets, tried):10.2%}   {hits} of {tries} ({hits / tries:.0%})")
    finally:
        side.clear()


main()
