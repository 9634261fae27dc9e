"""Requests with many answers over the worker's NATS connection, for threads and coroutines alike.

    any thread:  exchange.send()  --call_soon_threadsafe-->  loop: publish, reply=_INBOX.<worker>.<n>
    loop:        message on the inbox  --exchange.frames.put-->  the thread that waits

1. Everything that touches the connection runs on the loop thread; others only enqueue. No lock is held while waiting.
2. The last token of a reply subject is a counter, never an id: an id may hold dots and would match nothing.
3. "Nobody listens" arrives as an ordinary frame (`NOBODY`), so that a waiter has one thing to wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import queue
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ._codec import MalformedBody, decode, encode, format_of
from ._subjects import Subjects

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

Frame = Mapping[str, Any]
NOBODY: Final[Frame] = {"t": "nobody"}
WAKE: Final[Frame] = {"t": "wake"}

_log = logging.getLogger(__name__)


class Exchange:
    """One open request: send it (again), take frames, close it."""

    def __init__(self, bus: Bus, token: str, subject: str, body: bytes, notify: Callable[[], None] | None) -> None:
        self.frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._bus, self._token, self._subject, self._body, self._notify = bus, token, subject, body, notify

    def send(self) -> None:
        self._bus.publish(self._subject, self._body, answers=self._token)

    def put(self, frame: Frame) -> None:
        """Hands a frame to the waiter, from any thread."""
        self.frames.put(frame)
        if self._notify is not None:
            self._notify()

    def close(self) -> None:
        self._bus.forget(self._token)


class Bus:
    """The worker's connection, seen from the functions it runs."""

    def __init__(self, client: Client, subjects: Subjects) -> None:
        self.subjects = subjects
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._open: dict[str, Exchange] = {}
        self._tokens = itertools.count(1)
        self._inbox = f"_INBOX.{secrets.token_hex(8)}."
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._client.subscribe(self._inbox + "*", cb=self._receive)  # pyright: ignore[reportUnknownMemberType]

    def is_loop_thread(self) -> bool:
        return threading.get_ident() == self._loop_thread

    def open(self, subject: str, body: Mapping[str, Any], notify: Callable[[], None] | None = None) -> Exchange:
        """A request that is not yet sent. `notify` is called after each frame, on the loop thread or a stopping one."""
        token = str(next(self._tokens))
        exchange = self._open[token] = Exchange(self, token, subject, encode(body, "msgpack"), notify)
        return exchange

    def tell(self, subject: str, body: Mapping[str, Any]) -> None:
        """Publishes without an answer, from any thread."""
        self.publish(subject, encode(body, "msgpack"))

    def forget(self, token: str) -> None:
        self._open.pop(token, None)

    def publish(
        self, subject: str, body: bytes, *, answers: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Publishes from any thread, in the order of the calls; `answers` is the token frames come back under."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(self._start, subject, body, answers, headers)

    async def flush(self) -> None:
        """Returns when the server has everything that was published before."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.flush()

    def _start(self, subject: str, body: bytes, answers: str, headers: Mapping[str, str] | None) -> None:
        task = self._loop.create_task(self._publish(subject, body, answers, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, subject: str, body: bytes, answers: str, headers: Mapping[str, str] | None) -> None:
        reply = self._inbox + answers if answers else ""
        try:
            await self._client.publish(subject, body, reply, dict(headers) if headers else None)
        except Exception as error:  # those who wait have their own limits of time
            _log.warning("could not publish to %s: %r", subject, error)

    async def _receive(self, message: Msg) -> None:
        exchange = self._open.get(message.subject[len(self._inbox) :])
        if exchange is None:
            return  # a late frame of an exchange that is over
        headers = message.headers
        if headers and headers.get("Status") == "503":
            exchange.put(NOBODY)
            return
        try:
            exchange.put(decode(message.data, format_of(headers)))
        except MalformedBody as error:
            _log.warning("ignored a frame: %s", error)
