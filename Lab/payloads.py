"""Carries known bytes between two hosts over TCP and UDP, and checks each of them.

    payloads.py serve ADDRESS              answers until SIGTERM
    payloads.py check ADDRESS [BYTES]      TCP both ways; UDP both ways, small, full and in packets that the kernel cuts
    payloads.py tcp ADDRESS BYTES          only TCP, both ways

The check prints what it found and ends with 0 when nothing was wrong. A few datagrams may get lost, none may be altered.
"""

import hashlib
import os
import socket
import struct
import sys
import threading
import time

PORT = 5010
UDP_SEGMENT = 103
SEGMENT_BYTES = 1200
SIZES = (1, 64, 1000, 1372)
# socket(7); Python has no name for it.
SO_RCVBUFFORCE = 33
# All datagrams of a check: nothing is to be lost behind the tunnel while this program waits for a processor.
BUFFER_BYTES = 4 << 20


def exactly(channel, count):
    data = bytearray()
    while len(data) < count:
        part = channel.recv(min(1 << 16, count - len(data)))
        if not part:
            raise ConnectionError("the connection ended early")
        data += part
    return bytes(data)


def datagram(number, size):
    """Bytes that tell their own number and size."""
    head = struct.pack(">IH", number, size)[:size]
    return head + hashlib.shake_128(head).digest(size - len(head))


def is_intact(data):
    return len(data) < 6 or data == datagram(*struct.unpack(">IH", data[:6])) and struct.unpack(">H", data[4:6])[0] == len(data)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve_tcp(address):
    listener = socket.create_server((address, PORT), family=family(address))
    while True:
        channel, _ = listener.accept()
        with channel:
            try:
                count = struct.unpack(">Q", exactly(channel, 8))[0]
                data = exactly(channel, count)
                channel.sendall(hashlib.sha256(data).digest())
                channel.sendall(data)
            except ConnectionError:
                pass


def serve_udp(address):
    """Sends every datagram back, those that are altered as one byte."""
    channel = socket.socket(family(address), socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    channel.bind((address, PORT))
    while True:
        data, sender = channel.recvfrom(1 << 16)
        channel.sendto(data if is_intact(data) else b"!", sender)


def check_tcp(address, count):
    data = os.urandom(count)
    with socket.create_connection((address, PORT), timeout=10) as channel:
        channel.settimeout(20)
        back = []
        reader = threading.Thread(target=lambda: back.append(exactly(channel, 32 + count)))
        reader.start()
        channel.sendall(struct.pack(">Q", count) + data)
        reader.join(30)
    if not back or back[0] != hashlib.sha256(data).digest() + data:
        return [f"TCP: {count} bytes did not come back as they were sent"]
    return []


def check_udp(address, sends, segment):
    """`sends`: payloads; with `segment` the kernel cuts each into datagrams of so many bytes."""
    expected = sum(1 if not segment else -(-len(payload) // segment) for payload in sends)
    channel = socket.socket(family(address), socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    channel.settimeout(1)
    channel.connect((address, PORT))
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", segment))] if segment else []
    found = {"intact": 0, "altered": 0}

    def read():
        while found["intact"] + found["altered"] < expected:
            try:
                data = channel.recv(1 << 16)
            except TimeoutError:
                return
            found["intact" if is_intact(data) and data != b"!" else "altered"] += 1

    reader = threading.Thread(target=read)
    reader.start()
    for payload in sends:
        channel.sendmsg([payload], control)
        time.sleep(0.002)
    reader.join(20)
    channel.close()
    name = f"UDP {'cut into' if segment else 'of'} {segment or len(sends[0])} bytes"
    print(f"{name}: {found['intact']} of {expected} came back")
    faults = [f"{name}: {found['altered']} were altered"] if found["altered"] else []
    if found["intact"] < expected * 9 // 10:
        faults.append(f"{name}: only {found['intact']} of {expected} came back")
    return faults


def tell(faults):
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def check(address, count):
    faults = check_tcp(address, count)
    for size in SIZES:
        faults += check_udp(address, [datagram(number, size) for number in range(100)], 0)
    packets = [
        b"".join(datagram(40 * number + part, SEGMENT_BYTES) for part in range(40)) + datagram(number, 500)
        for number in range(20)]
    return tell(faults + check_udp(address, packets, SEGMENT_BYTES))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        threading.Thread(target=serve_udp, args=(sys.argv[2],), daemon=True).start()
        serve_tcp(sys.argv[2])
    elif sys.argv[1] == "tcp":
        sys.exit(tell(check_tcp(sys.argv[2], int(sys.argv[3]))))
    else:
        sys.exit(check(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 8 << 20))
