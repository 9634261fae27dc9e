"""One worker on the bus: subscriptions in, the desk in the middle, answers out.

1. Work is taken only between hello and the decision to end. Before and after, direct calls are answered `Busy`.
2. Answers go to inboxes only; a request with any other reply subject is not run.
3. An ending worker first leaves the pool's queue group, then finishes its calls, then says goodbye. With work that
   would not stop it exits with `SPOILT`, so that its pool replaces it and nothing is handed to it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import nats

from ._app import App
from ._bus import Bus
from ._codec import JSON_HEADERS, Format, encode, format_of
from ._desk import GRACE_S, Desk
from ._messages import Refused, parse_call, parse_cancel
from ._micro import VERBS, MicroService, Verb
from ._page import Page
from ._presence import BEAT_EVERY_S, PHASES, Identity
from ._sidecar import Sidecar
from ._subjects import Subjects, is_inbox
from ._table import Reply

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from ._options import Options

SPOILT: Final = 75
"""Exit code of a worker that has work in it which would not stop."""
QUEUE_GROUP: Final = "py"
_FINISH_S: Final = 5.0
_TICK_S: Final = 0.1
_RECONNECT_S: Final = 0.25

_log = logging.getLogger("troupe_worker")


class Worker:
    def __init__(self, app: App, options: Options, identity: Identity, page: Page, sidecar: Sidecar | None) -> None:
        self._app, self._options, self._identity = app, options, identity
        self._page, self._sidecar = page, sidecar
        self._subjects = Subjects(options.namespace, options.pool, options.name)
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reason = ""
        self._exit_code = 0
        self._client: Client
        self._bus: Bus
        self._desk: Desk
        self._pool_calls: Subscription

    async def run(self) -> int:
        """Serves until told to end; returns the exit code."""
        self._install_signals()
        ticking = asyncio.create_task(self._tick())
        self._client = await self._connect()
        self._bus = Bus(self._client, self._subjects)
        self._desk = Desk(
            self._app,
            self._options.name,
            self._options.slots,
            bus=self._bus,
            max_bytes=lambda: self._client.max_payload,
            on_change=self._show,
            on_spoilt=lambda reason: self._end(reason, hurry=True, exit_code=SPOILT),
        )
        await self._bus.start()
        await self._subscribe()
        self._say_hello()
        self._desk.open = True
        self._enter("running")
        await self._ending.wait()
        self._desk.open = False
        self._enter("draining")
        await self._finish()
        await self._part()
        ticking.cancel()
        return self._exit_code

    async def _connect(self) -> Client:
        async def failed(error: Exception) -> None:
            _log.warning("nats: %r", error)

        async def reconnected() -> None:
            self._say_hello()  # those who watch may have missed us, or never have seen us

        return await nats.connect(  # pyright: ignore[reportUnknownMemberType]
            servers=list(self._options.urls),
            name=self._options.name,
            user_credentials=self._options.creds,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_S,  # pyright: ignore[reportArgumentType]  # seconds; fractions work
            error_cb=failed,
            reconnected_cb=reconnected,
        )

    async def _subscribe(self) -> None:
        on, of_worker, of_pool = self._on, self._subjects.of_worker, self._subjects.of_pool
        await on(of_worker("call"), self._call)
        await on(of_worker("cancel"), self._cancel)
        await on(of_worker("stop"), self._stop)
        await on(of_worker("hello"), self._hello)
        await on(of_pool("cancel"), self._cancel_if_ours)
        await on(of_pool("hello"), self._hello)
        self._pool_calls = await on(of_pool("call"), self._call, queue=QUEUE_GROUP)
        service = MicroService(
            id=self._options.nonce,
            subject=of_pool("call"),
            queue_group=QUEUE_GROUP,
            metadata={"pool": self._options.pool, "worker": self._options.name, "direct": of_worker("call")},
            counters=self._desk.counters,
        )
        for verb in VERBS:
            for subject in service.subjects(verb):
                await on(subject, self._micro(service, verb))
        await self._client.flush()

    async def _on(self, subject: str, handle: Callable[[Msg], None], queue: str = "") -> Subscription:
        async def receive(message: Msg) -> None:
            handle(message)

        return await self._client.subscribe(subject, queue=queue, cb=receive)  # pyright: ignore[reportUnknownMemberType]

    # Verbs. Each takes one message and returns at once.

    def _call(self, message: Msg) -> None:
        reply = self._reply_to(message)
        if reply is None:
            return
        try:
            self._desk.take(parse_call(message.data, format_of(message.headers)), reply)
        except Refused as refused:
            self._desk.refuse(refused.id, refused.failure, reply)

    def _cancel(self, message: Msg, *, only_ours: bool = False) -> None:
        try:
            request = parse_cancel(message.data, format_of(message.headers))
        except Refused as refused:
            self._respond(message, {"v": 1, "ok": False, "error": refused.failure.to_wire()})
            return
        found = self._desk.cancel(request.id, request.reason)
        if found or not only_ours:
            self._respond(message, {"v": 1, "ok": True, "found": found})

    def _cancel_if_ours(self, message: Msg) -> None:
        """A cancel to the whole pool: only the worker that has the call answers."""
        self._cancel(message, only_ours=True)

    def _stop(self, message: Msg) -> None:
        self._respond(message, {"v": 1, "ok": True})
        self._end("asked to stop", hurry=False)

    def _hello(self, message: Msg) -> None:
        self._say_hello()
        self._respond(message, {"v": 1, "ok": True})

    def _micro(self, service: MicroService, verb: Verb) -> Callable[[Msg], None]:
        def handle(message: Msg) -> None:
            if is_inbox(message.reply):
                self._bus.publish(message.reply, encode(service.answer(verb), "json"))

        return handle

    # Answers.

    def _reply_to(self, message: Msg) -> Reply | None:
        if not is_inbox(message.reply):
            _log.warning("ignored a request on %s: reply subject %r is no inbox", message.subject, message.reply)
            return None
        form = format_of(message.headers)
        headers = JSON_HEADERS if form == "json" else None

        def reply(body: Callable[[Format], bytes]) -> None:
            self._bus.publish(message.reply, body(form), headers=headers)

        return reply

    def _respond(self, message: Msg, answer: dict[str, Any]) -> None:
        if message.reply:
            reply = self._reply_to(message)
            if reply is not None:
                reply(lambda form: encode(answer, form))

    # Presence.

    def _say_hello(self) -> None:
        self._bus.publish(self._subjects.presence, encode(self._identity.hello(self._app), "json"))

    def _enter(self, phase: str) -> None:
        self._page.phase = PHASES.index(phase)
        self._show()

    def _show(self) -> None:
        """Puts what the beats tell where the sidecar reads it, and asks for a beat."""
        page, desk = self._page, self._desk
        page.loop_tick = time.monotonic()
        page.in_flight, page.done, page.doom_at = desk.in_flight, desk.done, desk.doom_at()
        if self._sidecar is not None:
            self._sidecar.poke()
        else:
            self._beat()

    async def _tick(self) -> None:
        beat_at = 0.0
        while True:
            now = self._page.loop_tick = time.monotonic()
            if self._sidecar is None and now >= beat_at and hasattr(self, "_bus"):
                beat_at = now + BEAT_EVERY_S
                self._beat()
            await asyncio.sleep(_TICK_S)

    def _beat(self) -> None:
        """A beat from the loop, where there is no sidecar: it stops when the loop is held."""
        page = self._page
        body = self._identity.beat(
            state=PHASES[page.phase], loop_age_s=0.0, rss_bytes=_peak_bytes(), in_flight=page.in_flight, done=page.done
        )
        self._bus.publish(self._subjects.presence, encode(body, "json"))

    # Ending.

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows: the process just ends
                loop.add_signal_handler(number, lambda name=number.name: self._end(f"received {name}", hurry=True))

    def _end(self, reason: str, *, hurry: bool, exit_code: int = 0) -> None:
        self._reason = self._reason if self._ending.is_set() and not exit_code else reason
        self._exit_code = max(self._exit_code, exit_code)
        self._ending.set()
        if hurry:
            self._hurry.set()

    async def _finish(self) -> None:
        """Lets what runs end by itself; in a hurry only for `_FINISH_S`, then it is cancelled."""
        with contextlib.suppress(Exception):  # a lost connection takes the subscription with it
            await self._pool_calls.unsubscribe()
        idle = asyncio.create_task(self._desk.idle())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([idle, hurry], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        await asyncio.wait([idle], timeout=_FINISH_S)
        if not idle.done():
            self._desk.cancel_all(f"the worker is ending: {self._reason}")
            await asyncio.wait([idle], timeout=2 * GRACE_S)

    async def _part(self) -> None:
        self._page.parted = 1
        self._bus.publish(self._subjects.presence, encode(self._identity.goodbye(self._reason), "json"))
        await _at_most(1.0, self._bus.flush())
        await _at_most(1.0, self._client.drain())


async def _at_most(seconds: float, work: Awaitable[object]) -> None:
    """An ending worker does its best and ends."""
    try:
        await asyncio.wait_for(work, seconds)
    except Exception as error:
        _log.warning("while ending: %r", error)


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1_024
