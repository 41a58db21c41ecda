"""Traffic inside the tunnel while paths change: streams whose every frame is accounted for, and a checked transfer."""

import array
import bisect
import json
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

import lab
from hosts import OTHER, OVERLAY, TAP

# What was sent last is under way for no longer than this: the longest round trip of the lab and room for the machine.
GRACE_SECONDS = 0.6


@dataclass
class Count:
    """What became of the frames of a span of time."""

    sent: int = 0
    lost: int = 0
    reordered: int = 0
    duplicated: int = 0
    outage_ms: float = 0.0  # the longest time between two frames that arrived

    def __add__(self, other):
        return Count(
            self.sent + other.sent, self.lost + other.lost, self.reordered + other.reordered,
            self.duplicated + other.duplicated, max(self.outage_ms, other.outage_ms))

    def is_clean(self):
        return self.sent > 0 and (self.lost, self.reordered, self.duplicated) == (0, 0, 0)

    def figures(self):
        return {"lost": self.lost, "reordered": self.reordered, "duplicated": self.duplicated}


class Stream:
    """Datagrams with sequence numbers from one host to the other."""

    def __init__(self, source, rate, size=1300):
        target = OTHER[source]
        self.files = [lab.DIRECTORY / f"stream-{source}.{end}" for end in ("sent", "received")]
        program = [sys.executable, str(lab.LAB / "stream.py")]
        self.source, self.target = source, target
        self.receiver = lab.start(
            target, f"stream-to-{target}", *program, "receive", OVERLAY[target], str(self.files[1]))
        lab.wait_for_listener(target, 9, udp=True)
        self.sender = lab.start(
            source, f"stream-from-{source}", *program, "send", OVERLAY[target], str(self.files[0]), str(rate),
            str(size), stdin=subprocess.PIPE)

    def rate(self, per_second):
        self.sender.stdin.write(f"{per_second}\n".encode())
        self.sender.stdin.flush()

    def finish(self):
        """Ends it and returns what it saw."""
        lab.stop(self.sender)
        time.sleep(GRACE_SECONDS)
        lab.stop(self.receiver)
        return Recording(*(file.read_bytes() for file in self.files))


class Recording:
    """When each frame was sent and when each came."""

    def __init__(self, sent, received):
        self.sent = array.array("d", sent)
        count = struct.unpack_from("=Q", received)[0]
        self.numbers = array.array("Q", received[8:8 + 8 * count])
        self.times = array.array("d", received[8 + 8 * count:])
        seen = bytearray(len(self.sent))
        self.duplicates, self.late = [], []  # numbers of frames
        highest = -1
        for number in self.numbers:
            if seen[number]:
                self.duplicates.append(number)
                continue
            seen[number] = 1
            if number < highest:
                self.late.append(number)
            else:
                highest = number
        # What was sent before the first that came had no tunnel yet.
        first = min(self.numbers, default=len(self.sent))
        self.missing = [number for number in range(first, len(self.sent)) if not seen[number]]
        self.first = first

    def count(self, begin=0.0, end=float("inf")):
        """What became of the frames sent from `begin` up to `end`."""
        low = max(bisect.bisect_left(self.sent, begin), self.first)
        high = max(bisect.bisect_left(self.sent, end), low)

        def within(numbers):
            return sum(low <= number < high for number in numbers)

        return Count(high - low, within(self.missing), within(self.late), within(self.duplicates), self.gap(begin, end))

    def gap(self, begin=0.0, end=float("inf")):
        """The longest time between two arrivals, in milliseconds, that overlaps the span; a span without one is a gap."""
        low, high = bisect.bisect_left(self.times, begin), bisect.bisect_right(self.times, end)
        times = self.times[max(0, low - 1):high + 1]
        return round(1000 * max((after - before for before, after in zip(times, times[1:])), default=0.0), 1)

    def first_arrival(self, since):
        """When the first frame came that was sent after `since`; None when none did."""
        low = bisect.bisect_left(self.sent, since)
        return next((time for number, time in zip(self.numbers, self.times) if number >= low and time >= since), None)

    def lost_sent_after(self, begin, end):
        """How many of the lost frames were sent in the span."""
        return sum(begin <= self.sent[number] < end for number in self.missing)


class Streams:
    """A stream each way. `rate`: datagrams a second from the UK; the other way goes a tenth, but at least 100."""

    def __init__(self, rate=1000, size=1300, both=True):
        # A kernel that does not know the other's Ethernet address yet keeps frames until it does, and sends a later one
        # before them when a program sends at that very moment.
        lab.wait_until("the hosts know one another's Ethernet address", lambda: is_answered("uk-vps"))
        self.streams = [Stream("uk-vps", rate, size)]
        if both:
            self.streams.append(Stream("belgium-rpi", max(100, rate // 10), size))
        self.recordings = []

    def rate(self, per_second):
        self.streams[0].rate(per_second)

    def finish(self):
        """Ends both; counts may be asked for from now on."""
        for stream in self.streams:
            lab.stop(stream.sender)
        time.sleep(GRACE_SECONDS)
        self.recordings = [stream.finish() for stream in self.streams]
        return self

    def count(self, begin=0.0, end=float("inf")):
        return sum((recording.count(begin, end) for recording in self.recordings), Count())

    def flowing(self, source="uk-vps"):
        """Whether frames arrive now."""
        before = received_frames(OTHER[source])
        time.sleep(0.1)
        return received_frames(OTHER[source]) > before


def is_answered(site):
    """Whether the other host answers a ping, the smallest there is: it passes where data may not."""
    return lab.run(site, "ping", "-c", "1", "-s", "0", "-W", "1", OVERLAY[OTHER[site]]).returncode == 0


def received_frames(site):
    """Frames that the mesh gave to the TAP of a site."""
    return int(lab.must(site, "cat", f"/sys/class/net/{TAP}/statistics/rx_packets"))


class Transfer:
    """A TCP connection from the UK to Belgium that carries random bytes for as long as it lasts."""

    def __init__(self, mbits=20):
        program = [sys.executable, str(lab.LAB / "transfer.py")]
        self.files = [lab.DIRECTORY / f"transfer-{end}.json" for end in ("sent", "received")]
        address = OVERLAY["belgium-rpi"]
        self.receiver = lab.start(
            "belgium-rpi", "transfer-receive", *program, "receive", address, str(self.files[1]))
        lab.wait_for_listener("belgium-rpi", 5002)
        self.sender = lab.start("uk-vps", "transfer-send", *program, "send", address, str(self.files[0]), str(mbits))

    def finish(self):
        """Ends it; the bytes that arrived, or None when they are not those that were sent."""
        lab.stop(self.sender)
        try:
            self.receiver.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        lab.stop(self.receiver)
        if not all(file.exists() for file in self.files):
            return None
        sent, received = (json.loads(file.read_text()) for file in self.files)
        return sent["bytes"] if sent == received and sent["bytes"] > 0 else None
