"""A steady UDP stream with sequence numbers, to count what is lost, reordered and duplicated, and when.

    stream.py receive ADDRESS OUT-FILE
    stream.py send ADDRESS OUT-FILE RATE BYTES      RATE datagrams of so many bytes a second; a line on standard input with a
                                                    number is a new rate

Both run until SIGTERM, then write what they saw: the sender the time of each datagram in order, the receiver sequence
number and time of each in the order they came (arrays of doubles and of 64-bit integers; see traffic.py). Times are
CLOCK_REALTIME, as in the daemons' logs.
"""

import array
import gc
import os
import select
import signal
import socket
import struct
import sys
import time

PORT = 9  # the discard port (RFC 863)
# The kernel's buffer at the receiver: 0.5 s of 100 Mbit/s, so that nothing is lost behind the tunnel.
BUFFER_BYTES = 16 << 20
# socket(7); Python has no names for them.
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
running = True


def end(*_):
    global running
    running = False


def send(address, out, rate, size):
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
    times, packet = array.array("d"), bytearray(size)
    begin, sent = time.monotonic(), 0
    has_input = True
    while running:
        now = time.monotonic()
        due = int((now - begin) * rate)
        # After a pause by the scheduler what is due goes out bit by bit: a burst would overflow queues that are no
        # part of what is measured.
        for _ in range(min(due - sent, 32)):
            struct.pack_into("!Q", packet, 0, len(times))
            try:
                channel.sendto(packet, (address, PORT))
            except OSError:
                continue  # no route or no neighbour yet: not sent, not counted
            times.append(time.time())
        sent += min(due - sent, 32)
        if has_input and select.select([0], [], [], 0)[0]:
            line = os.read(0, 64)
            has_input = bool(line)
            if line:
                rate, begin, sent = float(line.split()[-1]), time.monotonic(), 0
        if due - sent < 32:
            time.sleep(0.0005 if rate > 2000 else 0.001)
    with open(out, "wb") as file:
        times.tofile(file)


def receive(address, out):
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    channel.bind((address, PORT))
    channel.settimeout(0.1)
    numbers, times = array.array("Q"), array.array("d")
    while running:
        try:
            packet = channel.recv(2048)
        except TimeoutError:
            continue
        numbers.append(int.from_bytes(packet[:8]))
        times.append(time.time())
    with open(out, "wb") as file:
        file.write(struct.pack("=Q", len(numbers)))
        numbers.tofile(file)
        times.tofile(file)


# Half a million small objects of its own: a collection in between would look like a gap of the tunnel's.
gc.disable()
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
if sys.argv[1] == "send":
    send(sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
else:
    receive(sys.argv[2], sys.argv[3])
