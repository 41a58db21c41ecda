"""What docs/PROTOCOL-paths.md adds to the protocol, written from that page alone."""

import ipaddress
import struct

from shadowmesh import Refused, be, parse_path_content as parse

SLICES_MAX = 64


def encode(kind, fields):
    head = bytes([kind])
    if kind == 7:
        return head + struct.pack(">BBQ", fields["generation"], fields["old_path_dead"], fields["frames"])
    if kind == 10:
        return head + struct.pack(">QB", fields["number"], fields["last"] | fields["in_doubt"] << 1)
    if kind == 11:
        return head + b"".join(be(fields[n], 8) for n in ("number", "highest_counter", "frames", "long_frames"))
    body = be(fields["path_id"], 4) + bytes.fromhex(fields["challenge"])
    if kind == 9:
        address = bytes.fromhex(fields["address"])
        body += bytes([4 if len(address) == 4 else 6]) + be(fields["port"], 2) + address
    return head + body + bytes(fields["byte_count"] - len(body))


def is_usable(address, port):
    """Whether a node may send to an address that its peer named."""
    found = ipaddress.ip_address(address)
    if port == 0 or found.is_multicast or found.is_unspecified or found.is_loopback:
        return False
    if found.version == 6:
        return found.ipv4_mapped is None and not found.is_link_local
    return 0 < address[0] < 224


class Assembly:
    """Joins slices to frames."""

    def __init__(self):
        self.frames = {}

    def add(self, content):
        """The frame, when `content` was the last slice that was missing."""
        found = parse(content)
        number, start, data = found["number"], found["offset"], found["data"]
        total, parts = self.frames.setdefault(number, (found["byte_count"], {}))
        overlaps = any(start < at + len(part) and at < start + len(data) for at, part in parts.items())
        if total != found["byte_count"] or overlaps or len(parts) == SLICES_MAX:
            del self.frames[number]
            raise Refused("malformed")
        parts[start] = data
        if sum(map(len, parts.values())) < total:
            return None
        del self.frames[number]
        return b"".join(parts[at] for at in sorted(parts))


class Order:
    """Delivers frames in the order of the path generations."""

    def __init__(self):
        self.generation, self.count, self.held, self.ends = 0, 0, [], {}

    def ahead(self, generation):
        """How far a generation is ahead; negative when it is over."""
        return (generation - self.generation + 128) % 256 - 128

    def frame(self, generation, counter):
        ahead = self.ahead(generation)
        if ahead > 0:
            self.held.append((counter, generation))
        self.count += ahead == 0
        return ([counter] if ahead <= 0 else []) + self.advance()

    def end(self, content):
        fields = parse(content)
        if self.ahead(fields["generation"]) < 0:
            return []
        if fields["old_path_dead"]:
            return self.move(fields["generation"] + 1) + self.advance()
        self.ends[fields["generation"]] = fields["frames"]
        return self.advance()

    def wait_is_over(self):
        free = []
        while self.held:
            free += self.move(self.generation + min(self.ahead(generation) for _, generation in self.held))
            free += self.advance()
        return free

    def advance(self):
        free = []
        while self.count >= self.ends.get(self.generation, float("inf")):
            free += self.move(self.generation + 1)
        return free

    def move(self, generation):
        self.generation = generation % 256
        self.ends = {old: count for old, count in self.ends.items() if self.ahead(old) >= 0}
        free = sorted(held for held in self.held if self.ahead(held[1]) <= 0)
        self.held = [held for held in self.held if self.ahead(held[1]) > 0]
        self.count = sum(generation == self.generation for _, generation in free)
        return [counter for counter, _ in free]
