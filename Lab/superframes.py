"""Sends superframes through a network that loses some of their records, and judges what arrives.

    superframes.py watch DEVICE OUT-FILE          judges each TCP and UDP frame that comes in by DEVICE, until SIGTERM
    superframes.py receive ADDRESS OUT-FILE       counts the datagrams that arrive, until SIGTERM
    superframes.py send ADDRESS PACKETS           so many packets that the kernel cuts, or a TAP takes whole

Results are JSON. What is watched is what the tunnel wrote: a frame with an offload header as the kernel understood it, its
checksum still to be filled in or complete.
"""

import array
import json
import signal
import socket
import struct
import sys
import time

from payloads import SEGMENT_BYTES, UDP_SEGMENT, datagram, family, is_intact

PORT = 5011
# 48 KB a packet, and one short datagram at its end.
DATAGRAMS_PER_PACKET = 41
# 8 ms of 48 KB: 50 Mbit/s, far below what the emulator carries, so that nothing is lost but what it throws away.
PAUSE_SECONDS = 0.008
# The kernel's buffer of the receiver and the watcher: all that a test sends.
BUFFER_BYTES = 64 << 20
# socket(7), packet(7), linux/virtio_net.h; Python has no names for them.
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
NEEDS_CSUM, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, GSO_ECN = 1, 0, 1, 4, 5, 0x80
TCP, UDP = 6, 17


class Ended(Exception):
    pass


def end(*_):
    raise Ended


def until_ended(channel, body, report, out):
    """Repeats `body`, which reads from `channel`, until SIGTERM, then writes what `report` says."""
    signal.signal(signal.SIGTERM, end)
    try:
        while True:
            body()
    except Ended:
        channel.setblocking(False)
    try:
        while True:
            body()
    except BlockingIOError:
        pass  # read all that came before
    with open(out, "w") as file:
        json.dump(report(), file)


def send(address, packets):
    channel = socket.socket(family(address), socket.SOCK_DGRAM)
    channel.connect((address, PORT))
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", SEGMENT_BYTES))]
    for packet in range(packets):
        first = packet * DATAGRAMS_PER_PACKET
        parts = [datagram(first + part, SEGMENT_BYTES) for part in range(DATAGRAMS_PER_PACKET - 1)]
        parts.append(datagram(first + DATAGRAMS_PER_PACKET - 1, 500))
        channel.sendmsg(parts, control)
        time.sleep(PAUSE_SECONDS)


def receive(address, out):
    channel = socket.socket(family(address), socket.SOCK_DGRAM)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    channel.bind((address, PORT))
    came = []
    until_ended(channel, lambda: came.append(channel.recv(1 << 16)), lambda: judge_datagrams(came), out)


def judge_datagrams(came):
    numbers = [struct.unpack(">I", data[:4])[0] for data in came if len(data) >= 6 and is_intact(data)]
    seen = set(numbers)
    of_packet = {}
    for number in seen:
        packet = number // DATAGRAMS_PER_PACKET
        of_packet[packet] = of_packet.get(packet, 0) + 1
    return {
        "received": len(seen), "twice": len(numbers) - len(seen), "altered": len(came) - len(numbers),
        "packets_in_part": sum(1 for count in of_packet.values() if count < DATAGRAMS_PER_PACKET)}


def watch(device, out):
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    channel.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    channel.bind((device, 3))
    found = {"frames": 0, "joined": 0, "faults": []}

    def take():
        data, place = channel.recvfrom(1 << 17)
        if place[2] == PACKET_OUTGOING:
            return
        flags, kind, _, size, start, offset = struct.unpack("=BBHHHH", data[:10])
        fault = fault_of(data[10:], flags, kind & ~GSO_ECN, size, (start, offset))
        if fault is None:
            return
        found["frames"] += 1
        found["joined"] += kind != GSO_NONE
        if fault and len(found["faults"]) < 10:
            found["faults"].append(f"{fault}: {data[:10].hex()} {data[10:110].hex()}")

    until_ended(channel, take, lambda: found, out)


def checksum(data):
    """RFC 1071, not complemented."""
    words = array.array("H", data + bytes(len(data) % 2))
    words.byteswap()
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def fault_of(frame, flags, kind, size, field):
    """What is wrong with a frame; empty: nothing; None: neither TCP nor UDP."""
    packet = frame[14:]
    if frame[12:14] == b"\x08\x00":
        header_count = (packet[0] & 15) * 4
        count, protocol = struct.unpack(">H", packet[2:4])[0], packet[9]
        addresses, tcp_kind = packet[12:20], GSO_TCP4
        if checksum(packet[:header_count]) != 0xFFFF:
            return "IPv4 header checksum"
    elif frame[12:14] == b"\x86\xdd":
        header_count, protocol = 40, packet[6]
        count = 40 + struct.unpack(">H", packet[4:6])[0]
        addresses, tcp_kind = packet[8:40], GSO_TCP6
    else:
        return None
    if protocol not in (TCP, UDP):
        return None
    # Ethernet pads what is short.
    if count > len(packet) or count < len(packet) and len(frame) > 60:
        return f"IP says {count} bytes of {len(packet)}"
    if kind not in (GSO_NONE, tcp_kind if protocol == TCP else GSO_UDP):
        return f"offload {kind} of protocol {protocol}"
    offload = (flags & NEEDS_CSUM, None if kind == GSO_NONE else size, *field)
    return fault_of_segment(packet[header_count:count], protocol, addresses, 14 + header_count, *offload)


def fault_of_segment(segment, protocol, addresses, offset, needs_checksum, size, start, place_in_header):
    """`size`: of the segments that the kernel is to cut; None: none."""
    header_count = (segment[12] >> 4) * 4 if protocol == TCP else 8
    payload_count = len(segment) - header_count
    if header_count < 8 or payload_count < 0:
        return "header"
    if protocol == UDP and struct.unpack(">H", segment[4:6])[0] != len(segment):
        return "UDP length"
    place = 16 if protocol == TCP else 6
    pseudo = checksum(addresses + struct.pack(">HH", protocol, len(segment)))
    if size is not None:
        if not needs_checksum:
            return "to be cut, without a checksum to fill in"
        if size == 0 or payload_count <= size:
            return f"to be cut every {size} bytes of {payload_count}"
        if protocol == UDP and payload_count > 64 * size:
            return "more than 64 datagrams"
    if needs_checksum:
        if (start, place_in_header) != (offset, place):
            return f"checksum at {start} + {place_in_header}"
        if struct.unpack(">H", segment[place : place + 2])[0] != pseudo:
            return "checksum of the pseudo-header"
    elif checksum(addresses + struct.pack(">HH", protocol, len(segment)) + segment) != 0xFFFF:
        return "checksum"
    return ""


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "receive":
        receive(sys.argv[2], sys.argv[3])
    else:
        send(sys.argv[2], int(sys.argv[3]))
