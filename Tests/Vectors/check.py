#!/usr/bin/env python3
"""Checks every vector with an implementation that was written from docs/PROTOCOL.md alone."""

import json
import pathlib
import sys

import paths
import superframes
import shadowmesh as sm

DIRECTORY = pathlib.Path(__file__).parent
passed, failed = 0, 0


def load(name):
    return json.loads((DIRECTORY / f"{name}.json").read_text())


def raw(text):
    return bytes.fromhex(text)


def check(name, condition):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print("FAILED:", name)


def refusal(body):
    """The reason for which `body` refuses, or "accepted"."""
    try:
        body()
    except sm.Refused as reason:
        return str(reason)
    return "accepted"


def refused(name, expected, body):
    found = refusal(body)
    check(f"{name}: expected {expected}, was {found}", found == expected)


CAST = {}


def identities():
    file = load("identities")
    for entry in file["identities"]:
        identity = sm.Identity(raw(entry["mldsa87_seed"]), raw(entry["ed25519_seed"]))
        CAST[entry["name"]] = identity
        check("public identity", identity.public == raw(entry["public_identity"]))
        check("peer ID", identity.id == raw(entry["peer_id"]))
        check("peer ID as text", sm.peer_id_text(identity.id) == entry["peer_id_text"])
        for text in ("peer_id_text", "peer_id_text_upper_case"):
            check("peer ID from text", sm.peer_id_from_text(entry[text]) == identity.id)
        for token in entry["reset_tokens"]:
            check("reset token", identity.reset_token(token["session_index"]) == raw(token["token"]))
    for entry in file["refused_texts"]:
        refused("peer ID: " + entry["name"], "malformed", lambda: sm.peer_id_from_text(entry["text"]))
    contexts = [entry["context"] for entry in file["signatures"]]
    for entry in file["signatures"]:
        public = CAST[entry["signer"]].public
        data, signature = raw(entry["data"]), raw(entry["signature"])
        for context in contexts:
            expected = "accepted" if context == entry["context"] else "bad_signature"
            refused(f"signature for {context}", expected, lambda: sm.verify(public, context, data, signature))


def parameters():
    file = load("parameters")
    for entry in file["accepted"]:
        data = raw(entry["bytes"])
        decoded = sm.decode_parameters(data)
        check("parameters " + entry["name"], decoded == entry["decoded"])
        check("parameters encode again", (sm.encode_parameters(decoded) == data) == entry["encodes_again"])
    for entry in file["refused"]:
        refused("parameters: " + entry["name"], "malformed", lambda: sm.decode_parameters(raw(entry["bytes"])))


def handshake(entry):
    initiator, responder = CAST[entry["initiator"]], CAST[entry["responder"]]
    hello_data, challenge_data, response_data = (raw(entry[k]) for k in ("hello", "challenge", "response"))
    private_a, private_b = raw(entry["initiator_x25519_private"]), raw(entry["responder_x25519_private"])
    seed = raw(entry["responder_ml_kem_seed"])

    hello = sm.receive_hello(hello_data, responder.id, initiator.id, {initiator.id})
    check("HELLO encodes again", hello.encoded() == hello_data)
    check("HELLO signed hash", hello.hash == raw(entry["hello_signed_hash"]))
    check("HELLO share", hello.share == sm.x25519_share(private_a))
    challenge, _, _, secret = sm.receive_challenge(challenge_data, hello_data, responder.id, private_a)
    check("CHALLENGE encodes again", challenge.encoded() == challenge_data)
    check("CHALLENGE signed hash", challenge.hash(hello_data) == raw(entry["challenge_signed_hash"]))
    check("CHALLENGE share", challenge.share == sm.x25519_share(private_b))
    check("CHALLENGE key", challenge.key == sm.kem_public(seed))
    check("X25519 secret", secret == raw(entry["x25519_secret"]) == sm.x25519(private_b, hello.share))
    check("ML-KEM secret", sm.decapsulate(seed, raw(entry["ciphertext"])) == raw(entry["ml_kem_secret"]))

    keys, content, parameters_a = sm.receive_response(response_data, hello_data, challenge_data, seed, private_b)
    listed = {
        "prk": keys.prk, "th1": keys.th1, "th2": keys.th2, "response_key": keys.response,
        "established_key": keys.established, "response_content": content, "initiator_parameters": parameters_a,
        "response_signed_hash": sm.sha512(keys.th1, parameters_a), "record_key_initiator": keys.records["initiator"],
        "record_key_responder": keys.records["responder"], "chain_secret_0": keys.chain,
    }
    for name, value in listed.items():
        check(name, value == raw(entry[name]))
    sealed = sm.seal(keys.response, bytes(12), content, keys.th1)
    check(
        "RESPONSE seals again",
        sm.Response.encoded(challenge.session, raw(entry["ciphertext"]), sealed) == response_data)
    parameters_b = sm.receive_established(raw(entry["established"]), challenge.session, keys)
    check("responder's parameters", parameters_b == raw(entry["responder_parameters"]))
    check(
        "ESTABLISHED seals again",
        sm.make_established(challenge.session, keys, parameters_b) == raw(entry["established"]))
    for side, data in (("initiator", parameters_a), ("responder", parameters_b)):
        check(f"{side}'s parameters decoded", sm.decode_parameters(data) == entry[f"{side}_parameters_decoded"])


def receive_records(entries, epochs):
    """Opens the records in turn and seals them again; gives records and contents."""
    windows, found = {"initiator": sm.ReplayWindow(), "responder": sm.ReplayWindow()}, []
    indices = load("records")
    for entry in entries:
        sender, record, content = entry["from"], raw(entry["record"]), raw(entry["content"])
        keys = [raw(source[f"record_key_{sender}"]) for source in epochs]
        receiver = "responder" if sender == "initiator" else "initiator"
        index = indices[f"{receiver}_session_index"]
        opened = sm.receive_record(record, index, dict(enumerate(keys)), windows[sender], sent=64)
        check("record's content", opened == content)
        header = sm.record_header(
            entry["epoch"], entry["receiver_index"], entry["counter"], entry["path_generation"], entry["lane"])
        check("record seals again", sm.seal_record(keys[entry["epoch"]], header, content) == record)
        found.append((record, content))
    return found


def records():
    file, plain, rotation = load("records"), load("handshakes")[0], load("rotation")
    receive_records(file["records"], (plain, rotation))
    reset, index = file["reset"], file["reset"]["session_index"]
    token = CAST[reset["sender"]].reset_token(index)
    check("RESET", raw(reset["bytes"]) == b"\x41\0\0\0" + sm.be(index, 4) + token)
    check("NO_SESSION", raw(file["no_session"]["bytes"]) == b"\x42\0\0\0" + sm.be(index, 4))
    for name, channel in (("relay_message", file["relay_message"]["channel"]), ("direct_message", None)):
        payloads = [raw(payload) for payload in file[name]["items"]]
        data = raw(file[name]["bytes"])
        found = sm.items(data, channel is not None)
        check(name, found == [(channel or 0, payload) for payload in payloads])
        check(name + " encodes again", b"".join(sm.item(payload, channel) for payload in payloads) == data)
        refused(name + " cut short", "malformed", lambda: sm.items(data[:-1], channel is not None))


def rotation():
    file, plain = load("rotation"), load("handshakes")[0]
    request, reply = raw(file["request_body"]), raw(file["reply_body"])
    rotation = sm.Rotation(raw(plain["chain_secret_0"]), raw(file["session_id"]), file["epoch"])
    check("binding", rotation.binding == raw(file["binding"]))
    check("request's signed hash", rotation.request_hash(request) == raw(file["request_signed_hash"]))
    check("reply's signed hash", rotation.reply_hash(request, reply) == raw(file["reply_signed_hash"]))
    for data, context, hashed, signer in (
        (request, "request", rotation.request_hash(request), plain["initiator"]),
        (reply, "reply", rotation.reply_hash(request, reply), plain["responder"]),
    ):
        check(context + " size and epoch", len(data) == 6292 and data[0] == file["epoch"])
        name = f"shadowmesh v1 rekey {context}"
        refused(name, "accepted", lambda: sm.verify(CAST[signer].public, name, hashed, data[1601:]))
    seed, private = raw(file["initiator_ml_kem_seed"]), raw(file["initiator_x25519_private"])
    check("request's key", request[1:1569] == sm.kem_public(seed))
    check("request's share", request[1569:1601] == sm.x25519_share(private))
    check("reply's share", reply[1569:1601] == sm.x25519_share(raw(file["responder_x25519_private"])))
    kem_secret, secret = sm.decapsulate(seed, reply[1:1569]), sm.x25519(private, reply[1569:1601])
    check("rotation's ML-KEM secret", kem_secret == raw(file["ml_kem_secret"]))
    check("rotation's X25519 secret", secret == raw(file["x25519_secret"]))
    chain, keys = rotation.finish(kem_secret, secret, request, reply)
    check("next chain secret", chain == raw(file["chain_secret_1"]))
    for role, key in keys.items():
        check("rotation's record key", key == raw(file[f"record_key_{role}"]))
    check("request on the stream", file["initiator_stream"]["messages"][0] == "01001894" + file["request_body"])
    check("reply on the stream", file["responder_stream"]["messages"][0] == "02001894" + file["reply_body"])
    for name in ("initiator_stream", "responder_stream"):
        stream(file[name])


def stream(entry):
    segments, expected = [raw(s) for s in entry["segments"]], [raw(m) for m in entry["messages"]]
    receiver = sm.StreamReceiver()
    answers = [receiver.segment(segment) for segment in segments]
    check("acknowledgements", answers == [raw(a) for a in entry["acknowledgements"]])
    check("messages of the stream", receiver.messages() == expected)
    receiver = sm.StreamReceiver()
    for segment in segments[::-1] + segments:
        receiver.segment(segment)
    check("messages in reverse and twice", receiver.messages() == expected)


def in_json(value):
    if isinstance(value, list):
        return [in_json(part) for part in value]
    return value.hex() if isinstance(value, bytes) else value


def relay():
    file = load("relay")
    relay, client = CAST[file["relay"]], CAST[file["client"]]
    spki, now, challenge = raw(file["spki_hash"]), file["now_seconds"], raw(file["challenge_nonce"])
    message = sm.receive_relay_challenge(raw(file["challenge"]), relay.id, spki, now)
    check("relay's challenge", message["challenge"] == challenge)
    check("relay's signed hash", sm.relay_statement_hash(spki, message["not_after"]) == raw(file["relay_signed_hash"]))
    instance = raw(file["instance"])
    hashed = sm.client_proof_hash(relay.id, spki, challenge, client.id, instance)
    check("client's signed hash", hashed == raw(file["client_signed_hash"]))
    check("client's proof", sm.receive_proof(raw(file["proof"]), relay.id, spki, challenge) == client.id)
    check("client's token", sm.parse_relay_message(raw(file["proof"]))["token"] == raw(file["token"]))
    both = [raw(file["challenge"]), raw(file["proof"])]
    for data in both + [raw(entry["bytes"]) for entry in file["messages"]]:
        check("relay message encodes again", sm.encode_relay_message(sm.parse_relay_message(data)) == data)
    for entry in file["messages"]:
        message = sm.parse_relay_message(raw(entry["bytes"]))
        names = {"payload_max": "payload_byte_count_max"}
        fields = {names.get(name, name): in_json(value) for name, value in message.items() if name != "type"}
        check("fields of " + entry["name"], fields == entry["decoded"])
    for entry in file["malformed"]:
        refused("relay message: " + entry["name"], "malformed", lambda: sm.parse_relay_message(raw(entry["bytes"])))


def refusals():
    file, plain = load("refusals"), load("handshakes")[0]
    alice, bob = CAST["alice"], CAST["bob"]
    hello, challenge = raw(plain["hello"]), raw(plain["challenge"])
    seed, private = raw(plain["responder_ml_kem_seed"]), raw(plain["responder_x25519_private"])
    keys, _, _ = sm.receive_response(raw(plain["response"]), hello, challenge, seed, private)
    private_a, session = raw(plain["initiator_x25519_private"]), sm.Challenge(challenge).session
    relay = load("relay")
    spki, now = raw(relay["spki_hash"]), relay["now_seconds"]
    receive = {
        "challenge": lambda data: sm.receive_challenge(data, hello, bob.id, private_a),
        "established": lambda data: sm.receive_established(data, session, keys),
        "relay_challenge": lambda data: sm.receive_relay_challenge(data, CAST["relay"].id, spki, now),
        "relay_proof": lambda data: sm.receive_proof(data, CAST["relay"].id, spki, raw(relay["challenge_nonce"])),
    }
    for kind, body in receive.items():
        for entry in file[kind]:
            refused(f"{kind}: {entry['name']}", entry["refusal"], lambda: body(raw(entry["bytes"])))
    for entry in file["hello"]:
        channel = CAST[entry.get("channel", "alice")].id
        refused(
            "hello: " + entry["name"], entry["refusal"],
            lambda: sm.receive_hello(raw(entry["bytes"]), bob.id, channel, {alice.id}))
    for entry in file["response"]:
        both = [raw(entry.get(name, plain[name])) for name in ("hello", "challenge")]
        if "hello" in entry:
            sm.receive_hello(both[0], bob.id, alice.id, {alice.id})
        refused(
            "response: " + entry["name"], entry["refusal"],
            lambda: sm.receive_response(raw(entry["bytes"]), *both, seed, private))
    index = load("records")["responder_session_index"]
    token = bob.reset_token(index)
    for kind, body in (
        ("reset", lambda data: sm.receive_reset(data, index, token)),
        ("no_session", lambda data: sm.receive_no_session(data, index)),
    ):
        for entry in file[kind]:
            expected = "accepted" if entry["refusal"] == "ignored" else entry["refusal"]
            refused(
                f"{kind}: {entry['name']}", expected,
                lambda: check(f"{kind} is ignored", not body(raw(entry["bytes"]))))
    for entry in file["items"]:
        refused("items: " + entry["name"], entry["refusal"], lambda: sm.items(raw(entry["bytes"]), entry["relay"]))
    for entry in file["record"]:
        window, epochs = sm.ReplayWindow(), {0: keys.records["initiator"]}
        for before in entry["before"]:
            refused("record before", "accepted", lambda: sm.receive_record(raw(before), index, epochs, window))
        refused(
            f"record: {entry['name']}", entry["refusal"],
            lambda: sm.receive_record(raw(entry["bytes"]), index, epochs, window))


def rotation_refusals():
    file, listed, plain = load("refusals"), load("rotation"), load("handshakes")[0]
    alice, bob = CAST[plain["initiator"]].public, CAST[plain["responder"]].public
    rotation = sm.Rotation(raw(plain["chain_secret_0"]), raw(listed["session_id"]), 1)
    request, seed = raw(listed["request_body"]), raw(listed["initiator_ml_kem_seed"])
    privates = [raw(listed[f"{role}_x25519_private"]) for role in ("initiator", "responder")]
    for entry in file["rekey_request"]:
        refused(
            "rekey request: " + entry["name"], entry["refusal"],
            lambda: rotation.receive_request(raw(entry["bytes"]), alice, privates[1]))
    for entry in file["rekey_reply"]:
        refused(
            "rekey reply: " + entry["name"], entry["refusal"],
            lambda: rotation.receive_reply(request, raw(entry["bytes"]), bob, seed, privates[0]))
    for entry in file["stream"]:
        refused("stream: " + entry["name"], entry["refusal"], lambda: read_stream(raw(entry["bytes"]), entry["to"]))
    for entry in file["segment"]:
        answer = sm.StreamReceiver().segment(raw(entry["segment"]))
        check("segment: " + entry["name"], (answer or b"") == raw(entry["acknowledgement"]))


def read_stream(data, role):
    """The messages of a stream in a session in which no rotation is under way."""
    receiver, found = sm.StreamReceiver(), []
    for start in range(0, len(data), 1000):
        receiver.segment(b"\x03" + sm.be(start, 4) + sm.be(start, 8) + data[start : start + 1000])
        for message in receiver.messages():
            found.append(sm.check_stream_message(message))
            if message[0] == 2 or (message[0] == 1 and role == "initiator"):
                raise sm.Refused("unexpected")
    return found


def path_messages():
    file, plain = load("paths"), load("handshakes")[0]
    for entry in file["contents"]:
        content = raw(entry["content"])
        fields = sm.parse_path_content(content)
        check(entry["name"], fields == entry["decoded"])
        again = paths.encode(content[0], fields) == content
        check(entry["name"] + " encodes again", again == entry["encodes_again"])
    for entry in file["refused_contents"]:
        refused(entry["name"], entry["refusal"], lambda: sm.check_content(raw(entry["content"]), 0))
    for entry in file["stream_messages"]:
        found = read_stream(raw(entry["message"]), "responder")
        check(entry["name"], found == [(entry["type"], entry.get("candidates", []))])
    for entry in file["addresses"]:
        usable = paths.is_usable(raw(entry["address"]), entry["port"])
        check(f"address {entry['address']} port {entry['port']}", usable == entry["usable"])
    sealed = receive_records(file["datagrams"], (plain,))
    check("challenge and answer are of the base size", [len(record) for record, _ in sealed[:2]] == [1200, 1200])
    asked, answered = (sm.parse_path_content(content) for _, content in sealed[:2])
    check("the answer is the challenge's", all(answered[name] == asked[name] for name in asked))
    carrying = [record for record, content in sealed[:7] if content[0] in (1, 2)]
    counts = sm.parse_path_content(sealed[7][1])
    long_frames = sum(len(record) > 1200 for record in carrying)
    check("frames of the poll's answer", (counts["frames"], counts["long_frames"]) == (len(carrying), long_frames))
    check("counter of the poll's answer", sm.be(counts["highest_counter"], 8) == sealed[6][0][8:16])
    reset = file["reset_datagram"]
    index = reset["session_index"]
    check("RESET", sm.receive_reset(raw(reset["bytes"]), index, CAST[reset["sender"]].reset_token(index)))


def path_machines():
    file = load("paths")
    for entry in file["slices"]:
        assembly = paths.Assembly()
        for content, outcome in zip(entry["slices"], entry["outcomes"]):
            try:
                frame = assembly.add(raw(content))
                found = {"result": "frame", "frame": frame.hex()} if frame else {"result": "held"}
            except sm.Refused:
                found = {"result": "refused"}
            check("slices: " + entry["name"], found == outcome)
    for entry in file["order"]:
        order = paths.Order()
        for step in entry["steps"]:
            if "end" in step:
                delivered = order.end(raw(step["end"]))
            elif "counter" in step:
                delivered = order.frame(step["generation"], step["counter"])
            else:
                delivered = order.wait_is_over()
            check("order: " + entry["name"], delivered == step["delivered"])


def joined_superframes():
    for entry in load("superframes"):
        receiver = superframes.Receiver()
        frames = []
        for content, outcome in zip(entry["slices"], entry["outcomes"]):
            found = refusal(lambda: frames.extend(receiver.add(raw(content))))
            check(f"superframes: {entry['name']}: {found}, expected {outcome}", found == outcome)
        check("superframes: " + entry["name"], [frame.hex() for frame in frames] == entry["frames"])


identities()
parameters()
for listed_handshake in load("handshakes"):
    handshake(listed_handshake)
records()
rotation()
relay()
refusals()
rotation_refusals()
path_messages()
path_machines()
joined_superframes()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
