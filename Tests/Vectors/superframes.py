"""Superframes, written from docs/PROTOCOL.md section 7b alone: slices to the complete frames that they stand for."""

import struct

from shadowmesh import Refused, be

HEADERS_MAX = 128
DATAGRAMS_MAX = 64


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Headers:
    """Where the headers of a TCP or UDP packet lie; refuses everything else."""

    def __init__(self, data):
        kind, at = data[12:14], 14
        for _ in range(2):
            if kind in (b"\x81\x00", b"\x88\xa8"):
                kind, at = data[at + 2:at + 4], at + 4
        self.network = at
        self.version6 = kind == b"\x86\xdd"
        if kind == b"\x08\x00" and len(data) >= at + 20 and data[at] >> 4 == 4:
            length = 4 * (data[at] & 15)
            protocol, self.transport = data[at + 9], at + length
            whole = int.from_bytes(data[at + 6:at + 8], "big") & 0x3FFF == 0
            if length < 20 or not whole:
                raise Refused("malformed_content")
        elif self.version6 and len(data) >= at + 40 and data[at] >> 4 == 6:
            protocol, self.transport = data[at + 6], at + 40
        else:
            raise Refused("malformed_content")
        if protocol not in (6, 17):
            raise Refused("malformed_content")
        self.tcp = protocol == 6
        if self.tcp:
            if len(data) < self.transport + 20 or data[self.transport + 12] >> 4 < 5:
                raise Refused("malformed_content")
            self.size = self.transport + 4 * (data[self.transport + 12] >> 4)
        else:
            self.size = self.transport + 8
        if self.size > min(len(data), HEADERS_MAX):
            raise Refused("malformed_content")
        self.protocol = protocol


class Receiver:
    def add(self, content):
        """The complete frames of a slice."""
        if len(content) < 7:
            raise Refused("malformed_content")
        _, first, count, size = struct.unpack(">BBBH", content[1:6])
        data = content[6:]
        if first >= count or size == 0:
            raise Refused("malformed_content")
        headers = Headers(data)
        payload = data[headers.size:]
        parts = [payload[start:start + size] for start in range(0, len(payload), size)]
        is_last = first + len(parts) == count
        too_long = headers.size - headers.network + len(payload) > 65535
        if not parts or first + len(parts) > count or too_long or (len(payload) % size and not is_last):
            raise Refused("malformed_content")
        if not headers.tcp and count > DATAGRAMS_MAX:
            raise Refused("malformed_content")
        return [
            self.frame(data[:headers.size], headers, first + index, size, part, first + index == count - 1)
            for index, part in enumerate(parts)]

    def frame(self, head, at, index, size, part, is_last):
        head = bytearray(head)
        network, transport = at.network, at.transport
        length = at.size - transport + len(part)
        if at.version6:
            head[network + 4:network + 6] = be(length, 2)
            pseudo = head[network + 8:network + 40]
        else:
            head[network + 2:network + 4] = be(at.size - network + len(part), 2)
            number = int.from_bytes(head[network + 4:network + 6], "big") + index
            head[network + 4:network + 6] = be(number % 65536, 2)
            head[network + 10:network + 12] = bytes(2)
            head[network + 10:network + 12] = be(checksum(bytes(head[network:transport])), 2)
            pseudo = head[network + 12:network + 20]
        if at.tcp:
            sequence = int.from_bytes(head[transport + 4:transport + 8], "big") + index * size
            head[transport + 4:transport + 8] = be(sequence % 2**32, 4)
            if not is_last:
                head[transport + 13] &= 0xF6
            if index > 0:
                head[transport + 13] &= 0x7F
        else:
            head[transport + 4:transport + 6] = be(length, 2)
        field = transport + (16 if at.tcp else 6)
        head[field:field + 2] = bytes(2)
        whole = bytes(pseudo) + be(at.protocol, 2) + be(length, 2) + bytes(head[transport:]) + part
        head[field:field + 2] = be(checksum(whole) or 0xFFFF, 2)
        return bytes(head) + part
