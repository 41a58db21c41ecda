"""A steady UDP stream with sequence numbers, to count what is lost, reordered and duplicated.

    stream.py receive ADDRESS OUT-FILE
    stream.py send ADDRESS OUT-FILE RATE        RATE datagrams of 200 bytes a second

Both run until SIGTERM, then write what they saw.
"""

import json
import pathlib
import signal
import socket
import struct
import sys
import time

PORT = 9  # the discard port (RFC 863)
running = True


def end(*_):
    global running
    running = False


def send(address, rate):
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent, begin = 0, time.monotonic()
    while running:
        due = int((time.monotonic() - begin) * rate)
        while sent < due:
            channel.sendto(struct.pack("!Q", sent) + bytes(192), (address, PORT))
            sent += 1
        time.sleep(0.001)
    return {"sent": sent}


def receive(address):
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    channel.bind((address, PORT))
    channel.settimeout(0.1)
    seen, highest, reordered, duplicated, gap, last = set(), -1, 0, 0, 0.0, None
    while running:
        try:
            number = struct.unpack("!Q", channel.recv(2048)[:8])[0]
        except TimeoutError:
            continue
        now = time.monotonic()
        if last is not None:
            gap = max(gap, now - last)
        last = now
        duplicated += number in seen
        reordered += number < highest
        highest = max(highest, number)
        seen.add(number)
    return {"received": len(seen), "reordered": reordered, "duplicated": duplicated, "longest_gap_ms": gap * 1000}


signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
mode, address, out = sys.argv[1:4]
result = send(address, int(sys.argv[4])) if mode == "send" else receive(address)
pathlib.Path(out).write_text(json.dumps(result))
