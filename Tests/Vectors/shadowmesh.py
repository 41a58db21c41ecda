"""The ShadowMesh protocol, version 1, written from docs/PROTOCOL.md alone. Sections in comments are that page's."""

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey, MLDSA87PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

IDENTITY, SIGNATURE, KEM, SHARE = 2624, 4691, 1568, 32


class Refused(Exception):
    """A message that must be refused; the argument is the page's word for the reason."""


# Section 1


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def extract(salt, secret):
    return hmac.new(salt, secret, hashlib.sha512).digest()


def expand(key, label, context, count):
    output, block, number = b"", b"", 1
    while len(output) < count:
        block = hmac.new(key, block + label.encode() + context + bytes([number]), hashlib.sha512).digest()
        output += block
        number += 1
    return output[:count]


def seal(key, nonce, content, associated):
    return ChaCha20Poly1305(key).encrypt(nonce, content, associated)


def unseal(key, nonce, sealed, associated):
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise Refused("bad_tag") from None


def x25519(private, share):
    try:
        secret = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        raise Refused("weak_share") from None
    if secret == bytes(32):
        raise Refused("weak_share")
    return secret


def x25519_share(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def kem_public(seed):
    return MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def encapsulate(key):
    try:
        return MLKEM1024PublicKey.from_public_bytes(key).encapsulate()
    except ValueError:
        raise Refused("malformed_key") from None


def decapsulate(seed, ciphertext):
    return MLKEM1024PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)


class Reader:
    """Takes fields from the front; what does not add up is malformed."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if len(self.data) - self.at < count:
            raise Refused("malformed")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def exactly(self, expected):
        if self.take(len(expected)) != expected:
            raise Refused("malformed")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        if self.at != len(self.data):
            raise Refused("malformed")


def be(value, count):
    return value.to_bytes(count, "big")


# Section 2


def peer_id(public):
    return hashlib.sha256(b"shadowmesh v1 peer id\0" + public).digest()


def peer_id_text(identifier):
    bits = int.from_bytes(identifier, "big") << 4
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[bits >> (5 * place) & 31] for place in range(51, -1, -1))


def peer_id_from_text(text):
    value = 0
    for character in text.lower():
        digit = "abcdefghijklmnopqrstuvwxyz234567".find(character)
        if digit < 0:
            raise Refused("malformed")
        value = value << 5 | digit
    if len(text) != 52 or value & 15:
        raise Refused("malformed")
    return (value >> 4).to_bytes(32, "big")


class Identity:
    def __init__(self, mldsa_seed, ed25519_seed):
        self.seeds = mldsa_seed + ed25519_seed
        self.mldsa = MLDSA87PrivateKey.from_seed_bytes(mldsa_seed)
        self.ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self.public = self.mldsa.public_key().public_bytes_raw() + self.ed25519.public_key().public_bytes_raw()
        self.id = peer_id(self.public)

    def sign(self, context, data):
        message = context.encode() + b"\0" + data
        return self.mldsa.sign(message) + self.ed25519.sign(message)

    def reset_token(self, index):
        key = expand(extract(b"shadowmesh v1 reset", self.seeds), "shadowmesh v1 reset token", b"", 32)
        return hmac.new(key, be(index, 4), hashlib.sha256).digest()[:16]


def verify(public, context, data, signature):
    message = context.encode() + b"\0" + data
    try:
        MLDSA87PublicKey.from_public_bytes(public[:2592]).verify(signature[:4627], message)
        Ed25519PublicKey.from_public_bytes(public[2592:]).verify(signature[4627:], message)
    except (InvalidSignature, ValueError):
        raise Refused("bad_signature") from None


# Section 3


def items(message, from_relay):
    reader, found = Reader(message), []
    while reader.at < len(message):
        count = reader.number(2)
        channel = reader.number(4) if from_relay else 0
        if count == 0:
            raise Refused("malformed")
        found.append((channel, reader.take(count)))
    return found


def item(payload, channel=None):
    return be(len(payload), 2) + (b"" if channel is None else be(channel, 4)) + payload


# Section 4


class Hello:
    SIGNED = 2732

    def __init__(self, data):
        reader = Reader(data)
        reader.exactly(b"\x50\1\1\0")
        self.identity, self.responder, self.nonce = reader.take(IDENTITY), reader.take(32), reader.take(32)
        self.timestamp, self.share, self.signature = reader.number(8), reader.take(SHARE), reader.take(SIGNATURE)
        reader.end()
        self.data, self.hash = data, sha512(data[: self.SIGNED])

    def encoded(self):
        return (
            b"\x50\1\1\0" + self.identity + self.responder + self.nonce + be(self.timestamp, 8) + self.share
            + self.signature
        )

    def verify(self):
        verify(self.identity, "shadowmesh v1 HELLO", self.hash, self.signature)


def receive_hello(data, own, channel_peer, peers):
    """The receiver's checks in their order."""
    hello = Hello(data)
    sender = peer_id(hello.identity)
    if sender == own:
        raise Refused("own_identity")
    if hello.responder != own:
        raise Refused("not_for_us")
    if sender != channel_peer:
        raise Refused("wrong_source")
    if sender not in peers:
        raise Refused("unknown_peer")
    hello.verify()
    return hello


def make_hello(identity, responder, nonce, timestamp, private):
    unsigned = b"\x50\1\1\0" + identity.public + responder + nonce + be(timestamp, 8) + x25519_share(private)
    return unsigned + identity.sign("shadowmesh v1 HELLO", sha512(unsigned))


class Challenge:
    SIGNED = 4308

    def __init__(self, data):
        reader = Reader(data)
        reader.exactly(b"\x51\1\1\0")
        self.hello_nonce, self.session = reader.take(32), reader.take(16)
        self.identity, self.nonce = reader.take(IDENTITY), reader.take(32)
        self.key, self.share, self.signature = reader.take(KEM), reader.take(SHARE), reader.take(SIGNATURE)
        reader.end()
        self.data = data

    def encoded(self):
        return (
            b"\x51\1\1\0" + self.hello_nonce + self.session + self.identity + self.nonce + self.key + self.share
            + self.signature
        )

    def hash(self, hello):
        return sha512(hello, self.data[: self.SIGNED])


def receive_challenge(data, hello, called, private):
    """What the initiator checks; gives the message, a ciphertext and both secrets."""
    challenge = Challenge(data)
    if challenge.hello_nonce != Hello(hello).nonce:
        raise Refused("unexpected")
    if peer_id(challenge.identity) != called:
        raise Refused("wrong_identity")
    verify(challenge.identity, "shadowmesh v1 CHALLENGE", challenge.hash(hello), challenge.signature)
    kem_secret, ciphertext = encapsulate(challenge.key)
    return challenge, ciphertext, kem_secret, x25519(private, challenge.share)


class Keys:
    def __init__(self, kem_secret, x25519_secret, hello, challenge, ciphertext):
        self.th1 = sha512(hello, challenge, ciphertext)
        self.prk = extract(b"shadowmesh v1 handshake", kem_secret + x25519_secret)
        self.response = expand(self.prk, "shadowmesh v1 handshake initiator", self.th1, 32)
        self.established = expand(self.prk, "shadowmesh v1 handshake responder", self.th1, 32)

    def finish(self, sealed_response):
        self.th2 = sha512(self.th1, sealed_response)
        self.records = {
            role: expand(self.prk, "shadowmesh v1 record " + role, self.th2, 32) for role in ("initiator", "responder")
        }
        self.chain = expand(self.prk, "shadowmesh v1 chain", self.th2, 64)


class Response:
    def __init__(self, data):
        reader = Reader(data)
        reader.exactly(b"\x52\1\1\0")
        self.session, self.ciphertext, self.sealed = reader.take(16), reader.take(KEM), reader.rest()
        if not 4709 <= len(self.sealed) <= 12901:
            raise Refused("malformed")

    @staticmethod
    def encoded(session, ciphertext, sealed):
        return b"\x52\1\1\0" + session + ciphertext + sealed


def receive_response(data, hello, challenge, kem_seed, private):
    """What the responder checks; gives the keys, the content and the initiator's parameters as bytes."""
    response = Response(data)
    if response.session != Challenge(challenge).session:
        raise Refused("unexpected")
    keys = Keys(
        decapsulate(kem_seed, response.ciphertext), x25519(private, Hello(hello).share), hello, challenge,
        response.ciphertext)
    content = unseal(keys.response, bytes(12), response.sealed, keys.th1)
    reader = Reader(content)
    parameters = reader.take(reader.number(2))
    signature = reader.take(SIGNATURE)
    reader.end()
    decode_parameters(parameters)
    verify(Hello(hello).identity, "shadowmesh v1 RESPONSE", sha512(keys.th1, parameters), signature)
    keys.finish(response.sealed)
    return keys, content, parameters


def make_response(identity, session, ciphertext, keys, parameters):
    signature = identity.sign("shadowmesh v1 RESPONSE", sha512(keys.th1, parameters))
    sealed = seal(keys.response, bytes(12), be(len(parameters), 2) + parameters + signature, keys.th1)
    keys.finish(sealed)
    return Response.encoded(session, ciphertext, sealed)


def receive_established(data, session, keys):
    reader = Reader(data)
    reader.exactly(b"\x53\1\1\0")
    if reader.take(16) != session:
        raise Refused("unexpected")
    sealed = reader.rest()
    if not 16 <= len(sealed) <= 8208:
        raise Refused("malformed")
    parameters = unseal(keys.established, bytes(12), sealed, keys.th2)
    decode_parameters(parameters)
    return parameters


def make_established(session, keys, parameters):
    return b"\x53\1\1\0" + session + seal(keys.established, bytes(12), parameters, keys.th2)


# Section 5

NUMBERS = {
    1: ("session_index", 4, 1, 0xFFFFFFFF),
    2: ("mtu", 2, 576, 65521),
    3: ("heartbeat_interval_seconds", 2, 1, 300),
    4: ("key_rotation_interval_seconds", 4, 1, 86400),
    5: ("supports_direct", 1, 0, 255),
    6: ("lanes", 1, 1, 255),
    7: ("superframe_kinds", 1, 0, 255),
}


def decode_candidate(value):
    reader = Reader(value)
    candidate = {"source": reader.number(1), "transport": reader.number(1)}
    family = reader.number(1)
    if not 1 <= candidate["source"] <= 4 or not 1 <= candidate["transport"] <= 2 or family not in (4, 6):
        raise Refused("malformed")
    candidate["port"] = reader.number(2)
    candidate["address"] = reader.take(4 if family == 4 else 16).hex()
    reader.end()
    return candidate


def decode_parameters(data):
    result, seen, reader = {"lanes": 1, "superframe_kinds": 0, "home_relays": [], "candidates": []}, set(), Reader(data)
    while reader.at < len(data):
        kind = reader.number(2)
        value = Reader(reader.take(reader.number(2)))
        if kind in seen and kind <= 8:
            raise Refused("malformed")
        if kind in NUMBERS:
            name, size, least, most = NUMBERS[kind]
            number = value.number(size)
            if not least <= number <= most:
                raise Refused("malformed")
            result[name] = bool(number) if kind == 5 else number
        elif kind == 8:
            result["reset_token"] = value.take(16).hex()
        elif kind == 9:
            relay, url = value.take(32), value.rest()
            if len(url) > 255 or len(result["home_relays"]) == 8 or any(c < 0x20 or c == 0x7F for c in url):
                raise Refused("malformed")
            try:
                result["home_relays"].append({"relay_id": relay.hex(), "url": url.decode()})
            except UnicodeDecodeError:
                raise Refused("malformed") from None
        elif kind == 10:
            try:
                candidate = decode_candidate(value.rest())
            except Refused:
                candidate = None
            if candidate:
                if len(result["candidates"]) == 32:
                    raise Refused("malformed")
                result["candidates"].append(candidate)
        else:
            continue
        value.end()
        seen.add(kind)
    if not {1, 2, 3, 4, 5, 8} <= seen:
        raise Refused("malformed")
    return result


def encode_parameters(values):
    output = b""

    def put(kind, value):
        nonlocal output
        output += be(kind, 2) + be(len(value), 2) + value

    for kind, (name, size, _, _) in NUMBERS.items():
        put(kind, be(int(values[name]), size))
    put(8, bytes.fromhex(values["reset_token"]))
    for relay in values["home_relays"]:
        put(9, bytes.fromhex(relay["relay_id"]) + relay["url"].encode())
    for candidate in values["candidates"]:
        address = bytes.fromhex(candidate["address"])
        family = 4 if len(address) == 4 else 6
        put(10, bytes([candidate["source"], candidate["transport"], family]) + be(candidate["port"], 2) + address)
    return output


# Section 7


def record_header(epoch, index, counter, generation=0, lane=0):
    return struct.pack(">BBBBIQ", 0x40, epoch, generation, lane, index, counter)


def seal_record(key, header, content):
    return header + seal(key, bytes([header[3], 0, 0, 0]) + header[8:16], content, header)


class ReplayWindow:
    def __init__(self):
        self.seen, self.next = set(), 0

    def insert(self, counter):
        if counter in self.seen or self.next - counter > 65536 or counter == 2**64 - 1:
            raise Refused("replayed")
        self.seen.add(counter)
        self.next = max(self.next, counter + 1)


def parse_path_content(content):
    """The fields of a content that docs/PROTOCOL-paths.md describes, kind byte first."""
    kind, reader = content[0], Reader(content[1:])
    try:
        return parse_path_fields(kind, reader)
    except Refused as reason:
        raise Refused("malformed_content" if str(reason) == "malformed" else str(reason)) from None


def parse_path_fields(kind, reader):
    if kind == 2:
        return parse_slice(reader)
    if kind == 7:
        fields = {"generation": reader.number(1), "old_path_dead": bool(reader.number(1) & 1)}
        fields["frames"] = reader.number(8)
    elif kind == 8:
        fields = {"path_id": reader.number(4), "challenge": reader.take(8).hex(), "byte_count": len(reader.data)}
        reader.take(31 - 12)
        reader.rest()
    elif kind == 9:
        fields = {"path_id": reader.number(4), "challenge": reader.take(8).hex()}
        family = reader.number(1)
        if family not in (4, 6):
            raise Refused("malformed")
        fields.update(port=reader.number(2), address=reader.take(4 if family == 4 else 16).hex())
        fields["byte_count"] = len(reader.data)
        reader.rest()
    elif kind == 10:
        fields, flags = {"number": reader.number(8)}, reader.number(1)
        fields.update(last=bool(flags & 1), in_doubt=bool(flags & 2))
    elif kind == 11:
        fields = {name: reader.number(8) for name in ("number", "highest_counter", "frames", "long_frames")}
    else:
        raise Refused("unknown_content")
    reader.end()
    return fields


def parse_slice(reader):
    fields = {"number": reader.number(4), "offset": reader.number(2), "byte_count": reader.number(2)}
    data = reader.rest()
    if not data or len(data) >= fields["byte_count"] or fields["offset"] + len(data) > fields["byte_count"]:
        raise Refused("malformed")
    return {**fields, "data": data}


def check_content(content, sent):
    kind, size = content[0], len(content) - 1
    if 7 <= kind <= 11 or kind == 2:
        parse_path_content(content)
        return
    fits = {1: True, 3: 13 <= size <= 1012, 4: size == 12, 5: size == 8, 6: size == 8}
    if kind not in fits:
        raise Refused("unknown_content")
    if not fits[kind] or (kind == 4 and int.from_bytes(content[5:13], "big") > sent):
        raise Refused("malformed_content")


def receive_record(record, index, keys, window, sent=0):
    """`keys` by epoch; `sent` bytes were sent on the control stream."""
    if len(record) < 33 or record[0] != 0x40:
        raise Refused("malformed")
    _, epoch, _, lane, receiver, counter = struct.unpack(">BBBBIQ", record[:16])
    if receiver != index:
        raise Refused("unknown_session")
    if lane != 0:
        raise Refused("unknown_lane")
    if epoch not in keys:
        raise Refused("unknown_epoch")
    content = unseal(keys[epoch], bytes([lane, 0, 0, 0]) + record[8:16], record[16:], record[:16])
    window.insert(counter)
    check_content(content, sent)
    return content


# Section 8


class StreamReceiver:
    def __init__(self):
        self.held, self.next, self.data = {}, 0, b""

    def segment(self, content):
        """Takes content with its kind byte; gives the acknowledgement, or None."""
        transmission, offset = struct.unpack(">IQ", content[1:13])
        data = content[13:]
        if offset + len(data) > self.next + 32768:
            return None
        self.held[offset] = max(data, self.held.get(offset, b""), key=len)
        for start in sorted(self.held):
            if start <= self.next:
                fresh = self.held.pop(start)[self.next - start :]
                self.data += fresh
                self.next += len(fresh)
        return b"\x04" + struct.pack(">IQ", transmission, self.next)

    def messages(self):
        found = []
        while len(self.data) >= 4:
            size = int.from_bytes(self.data[1:4], "big")
            if size > 16384:
                raise Refused("malformed")
            if len(self.data) < 4 + size:
                break
            found.append(self.data[: 4 + size])
            self.data = self.data[4 + size :]
        return found


MESSAGE_SIZES = {1: 6292, 2: 6292, 3: 1, 5: 0}


def check_stream_message(message):
    """Type, and candidates if there are any, of a whole message."""
    kind, body = message[0], message[4:]
    if kind in MESSAGE_SIZES and len(body) != MESSAGE_SIZES[kind]:
        raise Refused("malformed")
    if kind == 3 and body[0] not in (1, 2):
        raise Refused("malformed")
    if kind == 6:
        reader = Reader(body)
        reader.take(3)
        if {4: 10, 6: 22}.get(reader.number(1)) != len(body):
            raise Refused("malformed")
    return kind, decode_candidates(body) if kind == 4 else []


def decode_candidates(body):
    found, reader = [], Reader(body)
    while reader.at < len(body):
        kind = reader.number(2)
        value = reader.take(reader.number(2))
        try:
            found += [decode_candidate(value)] if kind == 10 else []
        except Refused:
            pass
    if len(found) > 32:
        raise Refused("malformed")
    return found


# Section 10


class Rotation:
    def __init__(self, chain, session, epoch):
        self.chain, self.scope = chain, session + bytes([epoch])
        self.binding = expand(chain, "shadowmesh v1 rekey binding", self.scope, 64)

    def request_hash(self, request):
        return sha512(self.binding, request[:1601])

    def reply_hash(self, request, reply):
        return sha512(self.binding, request, reply[:1601])

    def receive_request(self, request, initiator, private):
        """What the responder checks; gives a ciphertext and both secrets."""
        self.check(request)
        verify(initiator, "shadowmesh v1 rekey request", self.request_hash(request), request[1601:])
        kem_secret, ciphertext = encapsulate(request[1:1569])
        return ciphertext, kem_secret, x25519(private, request[1569:1601])

    def receive_reply(self, request, reply, responder, kem_seed, private):
        """What the initiator checks; gives both secrets."""
        self.check(reply)
        verify(responder, "shadowmesh v1 rekey reply", self.reply_hash(request, reply), reply[1601:])
        return decapsulate(kem_seed, reply[1:1569]), x25519(private, reply[1569:1601])

    def check(self, body):
        if len(body) != 6292:
            raise Refused("malformed")
        if body[0] != self.scope[-1]:
            raise Refused("unexpected")

    def finish(self, kem_secret, x25519_secret, request, reply):
        chain = extract(self.chain, kem_secret + x25519_secret)
        context = sha512(self.scope, request, reply)
        return chain, {
            role: expand(chain, "shadowmesh v1 record " + role, context, 32) for role in ("initiator", "responder")
        }


# Section 9


def receive_reset(data, session_index, token):
    reader = Reader(data)
    reader.exactly(b"\x41\0\0\0")
    index, found = reader.number(4), reader.take(16)
    reader.end()
    return index == session_index and hmac.compare_digest(found, token)


def receive_no_session(data, session_index):
    reader = Reader(data)
    reader.exactly(b"\x42\0\0\0")
    index = reader.number(4)
    reader.end()
    return index == session_index


# Sections 11 and 12


def relay_statement_hash(spki, not_after):
    return sha512(spki, be(not_after, 8))


def client_proof_hash(relay, spki, challenge, client, instance):
    return sha512(relay, spki, challenge, client, instance)


def parse_relay_message(data):
    """A dictionary with the message's type and fields."""
    reader = Reader(data)
    message = {"type": reader.number(1)}
    kind = message["type"]
    if kind == 1:
        reader.exactly(b"\1")
        message.update(identity=reader.take(IDENTITY), spki=reader.take(32), not_after=reader.number(8))
        message.update(signature=reader.take(SIGNATURE), challenge=reader.take(32))
    elif kind == 2:
        message.update(identity=reader.take(IDENTITY), instance=reader.take(16), signature=reader.take(SIGNATURE))
        count = reader.number(2)
        if count > 512:
            raise Refused("malformed")
        message["token"] = reader.take(count)
    elif kind == 3:
        family = reader.number(1)
        if family not in (4, 6):
            raise Refused("malformed")
        message.update(port=reader.number(2), address=reader.take(4 if family == 4 else 16))
        message.update(stun_port=reader.number(2), payload_max=reader.number(4), peers_max=reader.number(2))
    elif kind == 4:
        message["reason"] = reader.number(1)
        if not 1 <= message["reason"] <= 6:
            raise Refused("malformed")
    elif kind in (5, 6):
        count = reader.number(2)
        if not 1 <= count <= 256:
            raise Refused("malformed")
        message["peers"] = [reader.take(32) for _ in range(count)]
    elif kind == 7:
        message.update(channel=reader.number(4), peer=reader.take(32))
    elif kind == 8:
        message["channel"] = reader.number(4)
    elif kind == 10:
        message["instance"] = reader.take(16)
    elif kind != 9:
        raise Refused("malformed")
    reader.end()
    return message


def encode_relay_message(message):
    kind = message["type"]
    head = bytes([kind])
    if kind == 1:
        return (
            head + b"\1" + message["identity"] + message["spki"] + be(message["not_after"], 8) + message["signature"]
            + message["challenge"]
        )
    if kind == 2:
        token = message["token"]
        return head + message["identity"] + message["instance"] + message["signature"] + be(len(token), 2) + token
    if kind == 3:
        family = 4 if len(message["address"]) == 4 else 6
        return (
            head + bytes([family]) + be(message["port"], 2) + message["address"] + be(message["stun_port"], 2)
            + be(message["payload_max"], 4) + be(message["peers_max"], 2)
        )
    if kind == 4:
        return head + bytes([message["reason"]])
    if kind in (5, 6):
        return head + be(len(message["peers"]), 2) + b"".join(message["peers"])
    if kind == 7:
        return head + be(message["channel"], 4) + message["peer"]
    if kind == 8:
        return head + be(message["channel"], 4)
    return head + message.get("instance", b"")


def receive_relay_challenge(data, relay, spki, now):
    message = parse_relay_message(data)
    if message["type"] != 1:
        raise Refused("malformed")
    if peer_id(message["identity"]) != relay:
        raise Refused("wrong_identity")
    if message["spki"] != spki:
        raise Refused("wrong_relay_key")
    if not now < message["not_after"] <= now + 31 * 86400:
        raise Refused("relay_key_expired")
    data_hash = relay_statement_hash(message["spki"], message["not_after"])
    verify(message["identity"], "shadowmesh v1 relay TLS key", data_hash, message["signature"])
    return message


def make_proof(identity, relay, spki, challenge, instance, token):
    data_hash = client_proof_hash(relay, spki, challenge, identity.id, instance)
    signature = identity.sign("shadowmesh v1 relay client", data_hash)
    return encode_relay_message(
        {"type": 2, "identity": identity.public, "instance": instance, "signature": signature, "token": token})


def receive_proof(data, relay, spki, challenge):
    message = parse_relay_message(data)
    client = peer_id(message["identity"])
    data_hash = client_proof_hash(relay, spki, challenge, client, message["instance"])
    verify(message["identity"], "shadowmesh v1 relay client", data_hash, message["signature"])
    return client
