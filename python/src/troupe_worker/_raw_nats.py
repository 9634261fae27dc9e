"""The three verbs of NATS that a heartbeat needs, over a blocking socket: connect, publish, answer pings.

No asyncio, no threads: this runs in a forked process that must stay small and must not depend on the worker's loop.

1. Nothing is subscribed, so the server only ever sends lines.
2. Every failure is an `OSError`; the owner reconnects.
"""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit


class RawNats:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""

    @classmethod
    def connect(cls, url: str, credentials: Credentials | None, *, timeout_s: float) -> RawNats:
        at = urlsplit(url if "://" in url else f"nats://{url}")
        sock = socket.create_connection((at.hostname or "127.0.0.1", at.port or 4222), timeout=timeout_s)
        self = cls(sock)
        try:
            info = json.loads(self._line().removeprefix(b"INFO "))
            if info.get("tls_required"):
                raise OSError("the server wants TLS, which the heartbeat does not speak")
            options = {
                "verbose": False,
                "pedantic": False,
                "name": "troupe-heartbeat",
                "lang": "python",
                "version": "1",
            }
            options |= _from_url(at)
            if credentials is not None:
                options |= {"jwt": credentials.jwt, "sig": credentials.sign(info.get("nonce", ""))}
            sock.sendall(b"CONNECT %s\r\nPING\r\n" % json.dumps(options).encode())
            while (line := self._line()) != b"PONG":
                if line.startswith(b"-ERR"):
                    raise OSError(line.decode(errors="replace"))
        except BaseException:
            sock.close()
            raise
        return self

    def fileno(self) -> int:
        return self._sock.fileno()

    def publish(self, subject: str, body: bytes) -> None:
        self._sock.sendall(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(body), body))

    def flush(self) -> None:
        """Returns when the server has seen everything."""
        self._sock.sendall(b"PING\r\n")
        while self._line() != b"PONG":
            pass

    def receive(self) -> None:
        """Takes what is there, when the socket is readable."""
        self._fill()
        while b"\r\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\r\n")
            self._react(line)

    def close(self) -> None:
        self._sock.close()

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._fill()
        line, _, self._rest = self._rest.partition(b"\r\n")
        self._react(line)
        return line

    def _fill(self) -> None:
        data = self._sock.recv(65_536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._rest += data

    def _react(self, line: bytes) -> None:
        if line == b"PING":
            self._sock.sendall(b"PONG\r\n")


def _from_url(at: SplitResult) -> dict[str, Any]:
    if at.username and at.password:
        return {"user": unquote(at.username), "pass": unquote(at.password)}
    return {"auth_token": unquote(at.username)} if at.username else {}


@dataclass(frozen=True)
class Credentials:
    """A creds file: a signed user token, and the seed that proves it is ours."""

    jwt: str
    seed: str

    @staticmethod
    def load(path: str) -> Credentials:
        lines = Path(path).read_text().splitlines()
        after = [lines[i + 1].strip() for i, line in enumerate(lines[:-1]) if line.startswith("-----BEGIN")]
        if len(after) != 2:
            raise ValueError(f"{path} is not a creds file: it must hold one JWT and one seed")
        return Credentials(*after)

    def sign(self, nonce: str) -> str:
        import nkeys  # pyright: ignore[reportMissingImports]  # optional: only deployments with creds files need it

        signature: bytes = nkeys.from_seed(self.seed.encode()).sign(nonce.encode())  # pyright: ignore
        return base64.urlsafe_b64encode(signature).decode().rstrip("=")  # pyright: ignore[reportUnknownArgumentType]
