"""JSON over HTTP: POST a request or a batch, get the response."""

from __future__ import annotations

import json
import signal
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BODY_BYTES_MAX = 8 * 2**20
Answer = Callable[[Any], Any]
PARSE_ERROR = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "parse error"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    timeout = 60  # an idle connection is closed
    answer: Answer

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._send(413 if length.isdigit() else 411, b"")
            return
        try:
            request = json.loads(self.rfile.read(int(length)))
        except ValueError:
            self._send(200, json.dumps(PARSE_ERROR).encode())
            return
        response = type(self).answer(request)
        self._send(200, b"" if response is None else json.dumps(response, separators=(",", ":")).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing: standard error is for errors."""


class Server(ThreadingHTTPServer):
    """Serves `answer` at an address; port 0 takes any that is free."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """As the class above, but does not ask the name service who it is: in a network without one that takes 10 s."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.server_address[0]}:{self.server_address[1]}"


def serve_until_ended(server: Server) -> None:
    """Serves until SIGTERM or SIGINT."""

    def end(*_: Any) -> None:
        threading.Thread(target=server.shutdown).start()  # shutdown waits for the loop that this signal interrupts

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with server:
        server.serve_forever(poll_interval=0.1)
