"""Stands in for a node: starts nats-server and workers, calls them, watches what they say. Waits on conditions only."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import ormsgpack
from nats.aio.client import Client
from nats.aio.msg import Msg

SOURCES = Path(__file__).parent.parent / "src"
PATIENCE_S = 20.0  # for what must happen, on a busy machine; what must happen in time is asserted by the test
_ids = itertools.count(1)

Wire = dict[str, Any]


async def until(condition: Callable[[], Any], *, within_s: float = PATIENCE_S, show: Callable[[], object] = str) -> Any:
    """The first true value of `condition`."""
    give_up = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < give_up, f"not within {within_s} s: {show()}"
        await asyncio.sleep(0.01)
    return value


class Server:
    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process, self.url = process, url

    @staticmethod
    def start(folder: Path, port: int = -1) -> Server:
        program = os.environ.get("TROUPE_NATS_SERVER") or str(Path(sys.executable).with_name("nats-server"))
        command = [program, "-a", "127.0.0.1", "-p", str(port), "--ports_file_dir", str(folder), "-sd", str(folder)]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        give_up = time.monotonic() + PATIENCE_S
        while True:
            for found in folder.glob("*.ports"):
                with contextlib.suppress(ValueError):  # half written
                    return Server(process, json.loads(found.read_text())["nats"][0])
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < give_up, "nats-server did not tell its port"
            time.sleep(0.01)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Bus:
    """A client connection with the two formats."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @staticmethod
    async def connect(url: str) -> Bus:
        return Bus(await nats.connect(url))  # pyright: ignore[reportUnknownMemberType]

    async def close(self) -> None:
        await self.client.close()

    async def ask(self, subject: str, body: Mapping[str, Any], *, timeout_s: float = PATIENCE_S) -> Wire:
        answer = await self.client.request(subject, ormsgpack.packb(body), timeout=timeout_s)
        return ormsgpack.unpackb(answer.data)

    async def ask_json(self, subject: str, body: Mapping[str, Any]) -> Wire:
        headers = {"content-type": "application/json"}
        answer = await self.client.request(subject, json.dumps(body).encode(), timeout=PATIENCE_S, headers=headers)
        return json.loads(answer.data)

    async def watch(self, subject: str, take: Callable[[Msg], None]) -> None:
        async def receive(message: Msg) -> None:
            take(message)

        await self.client.subscribe(subject, cb=receive)  # pyright: ignore[reportUnknownMemberType]
        await self.client.flush()


@dataclass
class Node:
    """One worker process, and everything it has said."""

    bus: Bus
    process: asyncio.subprocess.Process
    name: str
    pool: str
    nonce: str
    log: Path
    said: list[tuple[float, Wire]] = field(default_factory=list[tuple[float, Wire]])

    @staticmethod
    async def start(bus: Bus, url: str, target: str, log: Path, options: Sequence[str]) -> Node:
        unique = secrets.token_hex(4)
        name, pool, nonce = f"w-{unique}", f"p-{unique}", f"n-{unique}"
        said: list[tuple[float, Wire]] = []
        await bus.watch(f"tr.test.ph.{pool}.*", lambda m: said.append((time.monotonic(), json.loads(m.data))))
        paths = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-m", "troupe_worker", target),
                *("--pool", pool, "--name", name, "--nonce", nonce, "--nats", url, "--namespace", "test"),
                *("--parent", str(os.getpid())),
                *options,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": paths},
            )
        node = Node(bus, process, name, pool, nonce, log, said)
        try:
            await until(lambda: node.said_kinds("hello") or process.returncode is not None, show=log.read_text)
            assert process.returncode is None, log.read_text()
        except BaseException:
            await node.end()
            raise
        return node

    def said_kinds(self, kind: str) -> list[Wire]:
        return [message for _, message in self.said if message["kind"] == kind]

    @property
    def direct(self) -> str:
        return f"tr.test.pw.{self.name}"

    @property
    def pooled(self) -> str:
        return f"tr.test.py.{self.pool}"

    async def call(self, fn: str, args: Wire | None = None, *, id: str = "", **more: Any) -> Wire:
        request = {"v": 1, "id": id or f"call-{next(_ids)}", "fn": fn, "args": args or {}, **more}
        return await self.bus.ask(f"{self.direct}.call", request)

    def start_call(self, fn: str, args: Wire | None = None, **more: Any) -> asyncio.Task[Wire]:
        return asyncio.create_task(self.call(fn, args, **more))

    async def until_in_flight(self, count: int) -> None:
        def last_beat() -> Wire:
            beats = self.said_kinds("beat")
            return beats[-1] if beats else {}

        await until(lambda: last_beat().get("inFlight") == count, show=last_beat)

    async def exit_code(self, within_s: float = PATIENCE_S) -> int:
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        if self.bus.client.is_connected:
            await until(lambda: self.said_kinds("goodbye"), show=self.log.read_text)  # its sidecar is over, too
