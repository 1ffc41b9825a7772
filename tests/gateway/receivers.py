"""What alerts are sent to in tests: a web server and a mail server, both real, both small."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Delivery(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebReceiver:
    """Answers with ``statuses`` one after the other, then 204. ``gate`` may be cleared to keep senders waiting."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Notes what came."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                heads = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append(Delivery(self.path, heads, body))
                receiver.arrived.set()
                receiver.gate.wait(20)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def stop(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """Speaks as much SMTP as a client needs; ``refuses`` makes it say no to every recipient."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.refuses = False
        server = self

        class Handler(socketserver.StreamRequestHandler):
            """One conversation."""

            def handle(self) -> None:
                self._say("220 mail.test")
                while line := self.rfile.readline().decode().strip():
                    verb = line[:4].upper()
                    if verb == "QUIT":
                        return self._say("221 bye")
                    if verb == "DATA":
                        self._say("354 go on")
                        server.mails.append(self._data())
                    self._say("550 nobody here" if verb == "RCPT" and server.refuses else "250 ok")
                return None

            def _data(self) -> str:
                lines = []
                while (line := self.rfile.readline().decode()) != ".\r\n":
                    lines.append(line.rstrip("\r\n"))
                return "\n".join(lines)

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
