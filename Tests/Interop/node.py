#!/usr/bin/env python3
"""A node in Python, written from docs/PROTOCOL.md alone: meets a peer at a relay and answers ARP and ping.

It takes no direct paths. Of docs/PROTOCOL-paths.md it does what also concerns such a node: it joins slices, keeps frames
in order over the ENDs that come when its peer goes from one relay to another, and answers polls.

Usage: node.py ROLE RELAY-HOST RELAY-PORT RELAY-ID PEER-ID ADDRESS SECONDS ROTATIONS
ROLE is initiator or responder; IDs are in the text form. Ends with 0 when a session came about, a ping of the host
behind the peer was answered, and ROTATIONS rotations of keys completed.
"""

import ipaddress
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "Vectors"))

import paths  # noqa: E402
import shadowmesh as sm  # noqa: E402
from websocket import Closed, WebSocket  # noqa: E402

MAC = bytes.fromhex("02000000aa02")
ROTATION_SECONDS = 1
# Twice the round trip that a node takes for granted before it measured one would be 1 s; this relay is at hand.
FRAME_WAIT_SECONDS = 0.25


def seed(name):
    return sm.sha512(b"interoperability: " + name.encode())[:32]


def identity():
    return sm.Identity(seed("ML-DSA-87"), seed("Ed25519"))


class Session:
    """Records, control stream and rotation of one session (sections 6 to 10)."""

    def __init__(self, role, node, keys, session, peer_public, parameters):
        self.role, self.node, self.session, self.peer_public = role, node, session, peer_public
        self.other = "responder" if role == "initiator" else "initiator"
        self.remote_index = parameters["session_index"]
        self.chain, self.epoch = keys.chain, 0
        self.send_key, self.receive_keys = keys.records[role], {0: keys.records[self.other]}
        self.upcoming = None
        self.counter, self.window = 0, sm.ReplayWindow()
        self.stream, self.send_offset, self.transmission = sm.StreamReceiver(), 0, 0
        self.unacknowledged, self.sent_at = {}, 0
        self.pending, self.rotations, self.rotated_at = None, 0, time.monotonic()
        self.order, self.assembly, self.waiting, self.held_since = paths.Order(), paths.Assembly(), {}, None
        self.frames, self.long_frames = 0, 0

    def send(self, content):
        header = sm.record_header(self.epoch, self.remote_index, self.counter)
        self.node.send(sm.seal_record(self.send_key, header, content))
        self.counter += 1

    def ping(self):
        self.send(b"\x05" + os.urandom(8))

    def message(self, kind, body):
        data = bytes([kind]) + sm.be(len(body), 3) + body
        for start in range(0, len(data), 1000):
            piece = data[start : start + 1000]
            self.unacknowledged[self.send_offset] = piece
            self.segment(self.send_offset)
            self.send_offset += len(piece)

    def segment(self, offset):
        self.send(b"\x03" + struct.pack(">IQ", self.transmission, offset) + self.unacknowledged[offset])
        self.transmission, self.sent_at = self.transmission + 1, time.monotonic()

    def tick(self):
        if self.unacknowledged and time.monotonic() - self.sent_at > 1:
            self.segment(min(self.unacknowledged))
        if self.held_since and time.monotonic() - self.held_since > FRAME_WAIT_SECONDS:
            self.deliver(self.order.wait_is_over())
        due = time.monotonic() - self.rotated_at > ROTATION_SECONDS
        if self.role == "initiator" and self.pending is None and due:
            self.request()

    def request(self):
        kem_seed, private, epoch = os.urandom(64), os.urandom(32), (self.epoch + 1) % 256
        rotation = sm.Rotation(self.chain, self.session, epoch)
        body = bytes([epoch]) + sm.kem_public(kem_seed) + sm.x25519_share(private)
        body += self.node.identity.sign("shadowmesh v1 rekey request", rotation.request_hash(body))
        self.pending = (kem_seed, private, rotation, body)
        self.message(1, body)

    def received_request(self, body):
        epoch, private = (self.epoch + 1) % 256, os.urandom(32)
        if self.role != "responder":
            raise sm.Refused("unexpected")
        rotation = sm.Rotation(self.chain, self.session, epoch)
        ciphertext, *secrets = rotation.receive_request(body, self.peer_public, private)
        reply = bytes([epoch]) + ciphertext + sm.x25519_share(private)
        reply += self.node.identity.sign("shadowmesh v1 rekey reply", rotation.reply_hash(body, reply))
        self.chain, keys = rotation.finish(*secrets, body, reply)
        self.receive_keys[epoch] = keys[self.other]
        self.upcoming = (epoch, keys[self.role])
        self.message(2, reply)

    def received_reply(self, reply):
        kem_seed, private, rotation, request = self.pending
        secrets = rotation.receive_reply(request, reply, self.peer_public, kem_seed, private)
        self.chain, keys = rotation.finish(*secrets, request, reply)
        self.receive_keys[reply[0]] = keys[self.other]
        self.pending = None
        self.move_on(reply[0], keys[self.role])
        self.ping()

    def move_on(self, epoch, key):
        self.receive_keys.pop((epoch - 2) % 256, None)
        self.epoch, self.send_key = epoch, key
        self.rotations, self.rotated_at = self.rotations + 1, time.monotonic()

    def receive(self, record):
        content = sm.receive_record(record, self.node.index, self.receive_keys, self.window, self.send_offset)
        if self.upcoming and record[1] == self.upcoming[0]:
            self.move_on(*self.upcoming)
            self.upcoming = None
        kind, body = content[0], content[1:]
        counter = int.from_bytes(record[8:16], "big")
        if kind in (1, 2):
            self.frames, self.long_frames = self.frames + 1, self.long_frames + (len(record) > 1200)
            self.waiting[counter] = content
            self.deliver(self.order.frame(record[2], counter))
        elif kind == 7:
            self.deliver(self.order.end(content))
        elif kind == 10:
            self.send(b"\x0b" + body[:8] + struct.pack(">QQQ", counter, self.frames, self.long_frames))
        elif kind == 3:
            acknowledgement = self.stream.segment(content)
            if acknowledgement:
                self.send(acknowledgement)
            for message in self.stream.messages():
                {1: self.received_request, 2: self.received_reply}.get(message[0], lambda body: None)(message[4:])
        elif kind == 4:
            arrived = int.from_bytes(body[4:], "big")
            for offset in [o for o, piece in self.unacknowledged.items() if o + len(piece) <= arrived]:
                del self.unacknowledged[offset]
        elif kind == 5:
            self.send(b"\x06" + body)


    def deliver(self, counters):
        """Takes the frames and slices whose turn has come."""
        for content in map(self.waiting.pop, counters):
            frame = content[1:] if content[0] == 1 else self.assembly.add(content)
            answer = self.node.host(frame) if frame else None
            if answer:
                self.send(b"\x01" + answer)
        self.held_since = (self.held_since or time.monotonic()) if self.waiting else None


class Node:
    def __init__(self, role, host, port, relay, peer, address):
        self.identity, self.role, self.peer = identity(), role, peer
        self.address = ipaddress.ip_address(address).packed
        self.channel, self.session, self.echoes = None, None, 0
        self.index = int.from_bytes(os.urandom(4), "big") or 1
        self.private, self.kem_seed = os.urandom(32), os.urandom(64)
        self.hello = self.challenge = self.keys = None
        self.socket = WebSocket(host, port)
        self.meet(relay)

    def parameters(self):
        return sm.encode_parameters({
            "session_index": self.index, "mtu": 1400, "heartbeat_interval_seconds": 15,
            "key_rotation_interval_seconds": ROTATION_SECONDS, "supports_direct": False, "lanes": 1,
            "superframe_kinds": 0, "reset_token": self.identity.reset_token(self.index).hex(), "home_relays": [],
            "candidates": [],
        })

    def control(self, message):
        self.socket.send(sm.item(message, 0))

    def send(self, payload):
        self.socket.send(sm.item(payload, self.channel))

    def meet(self, relay):
        """Sections 11 and 12: proofs, then NAME."""
        message = sm.receive_relay_challenge(self.first(), relay, self.socket.spki_hash, int(time.time()))
        self.control(
            sm.make_proof(
                self.identity, relay, self.socket.spki_hash, message["challenge"], os.urandom(16), b""))
        welcome = sm.parse_relay_message(self.first())
        if welcome["type"] != 3:
            raise Closed(f"refused: {welcome}")
        self.control(sm.encode_relay_message({"type": 5, "peers": [self.peer]}))

    def first(self):
        return sm.items(self.socket.receive(10), True)[0][1]

    def step(self):
        message = self.socket.receive(0.05)
        for channel, payload in sm.items(message or b"", True):
            if channel == 0:
                self.relay_message(sm.parse_relay_message(payload))
            elif channel == self.channel:
                self.payload(payload)
        if self.session:
            self.session.tick()

    def relay_message(self, message):
        if message["type"] == 7 and message["peer"] == self.peer:
            self.channel = message["channel"]
            if self.role == "initiator":
                self.hello = sm.make_hello(
                    self.identity, self.peer, os.urandom(32), int(time.time() * 1000), self.private)
                self.send(self.hello)

    def payload(self, payload):
        kind = payload[0]
        if kind == 0x40 and self.session:
            self.session.receive(payload)
        elif kind == 0x50 and self.role == "responder" and payload != self.hello:
            self.received_hello(payload)
        elif kind == 0x51 and self.role == "initiator" and self.keys is None:
            self.received_challenge(payload)
        elif kind == 0x52 and self.challenge and self.session is None:
            self.received_response(payload)
        elif kind == 0x53 and self.keys and self.session is None:
            parameters = sm.receive_established(payload, self.challenge.session, self.keys)
            self.established(self.challenge.identity, parameters)
            self.session.ping()

    def received_hello(self, payload):
        hello = sm.receive_hello(payload, self.identity.id, self.peer, {self.peer})
        self.hello, self.session = payload, None
        unsigned = b"\x51\1\1\0" + hello.nonce + os.urandom(16) + self.identity.public + os.urandom(32)
        unsigned += sm.kem_public(self.kem_seed) + sm.x25519_share(self.private)
        signature = self.identity.sign("shadowmesh v1 CHALLENGE", sm.sha512(payload, unsigned))
        self.challenge = sm.Challenge(unsigned + signature)
        self.send(self.challenge.data)

    def received_challenge(self, payload):
        self.challenge, ciphertext, kem_secret, secret = sm.receive_challenge(
            payload, self.hello, self.peer, self.private)
        self.keys = sm.Keys(kem_secret, secret, self.hello, payload, ciphertext)
        self.send(sm.make_response(self.identity, self.challenge.session, ciphertext, self.keys, self.parameters()))

    def received_response(self, payload):
        self.keys, _, parameters = sm.receive_response(
            payload, self.hello, self.challenge.data, self.kem_seed, self.private)
        self.send(sm.make_established(self.challenge.session, self.keys, self.parameters()))
        self.established(sm.Hello(self.hello).identity, parameters)

    def established(self, peer_public, parameters):
        decoded = sm.decode_parameters(parameters)
        self.session = Session(self.role, self, self.keys, self.challenge.session, peer_public, decoded)
        print(f"session as {self.role}; the peer's parameters: {decoded}", flush=True)

    def host(self, frame):
        """Answers ARP requests and pings for this node's address."""
        kind = frame[12:14]
        if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == self.address:
            return frame[6:12] + MAC + kind + frame[14:20] + b"\0\2" + MAC + self.address + frame[22:32]
        if kind == b"\x08\0" and frame[23] == 1 and frame[30:34] == self.address and frame[34] == 8:
            self.echoes += 1
            checksum = int.from_bytes(frame[36:38], "big") + 0x0800  # type 8 becomes 0
            checksum = (checksum & 0xFFFF) + (checksum >> 16)
            header = frame[14:26] + frame[30:34] + frame[26:30]
            return frame[6:12] + MAC + kind + header + b"\0\0" + sm.be(checksum, 2) + frame[38:]
        return None


def main():
    if len(sys.argv) == 2 and sys.argv[1] == "id":
        print(sm.peer_id_text(identity().id))
        return 0
    role, host, port, relay, peer, address, seconds, rotations = sys.argv[1:]
    node = Node(role, host, int(port), sm.peer_id_from_text(relay), sm.peer_id_from_text(peer), address)
    deadline = time.monotonic() + float(seconds)
    wanted = int(rotations)
    done = False
    while not done and time.monotonic() < deadline:
        node.step()
        done = node.session is not None and node.session.rotations >= wanted and node.echoes >= 3
    rotated = node.session.rotations if node.session else 0
    print(f"{role}: session {node.session is not None}, {node.echoes} pings answered, {rotated} rotations", flush=True)
    if node.session:
        node.session.message(3, b"\1")
    node.socket.close()
    return 0 if done else 1


sys.exit(main())
