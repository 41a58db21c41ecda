"""A TCP transfer with a checksum: what one side sent has to be what the other received, byte by byte.

    transfer.py receive ADDRESS OUT-FILE
    transfer.py send ADDRESS OUT-FILE MBITS         until SIGTERM, at so many Mbit/s

Both write bytes and SHA-256 as JSON when the connection has ended.
"""

import hashlib
import json
import os
import pathlib
import signal
import socket
import sys
import time

PORT = 5002
CHUNK_BYTES = 16 << 10
running = True


def end(*_):
    global running
    running = False


def connect(address):
    while running:
        try:
            return socket.create_connection((address, PORT), timeout=1)
        except OSError:
            time.sleep(0.05)
    sys.exit("transfer: ended before it was connected")


def send(address, mbits):
    channel = connect(address)
    channel.settimeout(None)
    digest, sent, begin = hashlib.sha256(), 0, time.monotonic()
    while running:
        if sent * 8 > (time.monotonic() - begin) * mbits * 1e6:
            time.sleep(0.002)
            continue
        chunk = os.urandom(CHUNK_BYTES)
        channel.sendall(chunk)
        digest.update(chunk)
        sent += len(chunk)
    channel.shutdown(socket.SHUT_WR)
    # The receiver closes when it has everything.
    channel.settimeout(20)
    channel.recv(1)
    return digest, sent


def receive(address):
    listener = socket.create_server((address, PORT))
    channel, _ = listener.accept()
    digest, received = hashlib.sha256(), 0
    while chunk := channel.recv(1 << 16):
        digest.update(chunk)
        received += len(chunk)
    return digest, received


signal.signal(signal.SIGTERM, end)
mode, address, out = sys.argv[1:4]
digest, count = send(address, float(sys.argv[4])) if mode == "send" else receive(address)
pathlib.Path(out).write_text(json.dumps({"bytes": count, "sha256": digest.hexdigest()}))
