"""A model service for the tests: the contract of `tr.<ns>.llm.*`, answered by the nearest example in the prompt.

It can be told to be slow, to fail, to fall silent or to be absent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import ormsgpack
from harness import Bus
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

Wire = dict[str, Any]
_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n\[\[ ## |\n\nRespond with |\Z)", re.DOTALL)


@dataclass
class ModelService:
    bus: Bus
    root: str = "tr.test.llm"
    delay_s: float = 0.0
    silent: bool = False
    garbage: bool = False
    failure: Wire | None = None
    lose: int | None = None
    """The event of the next stream that does not arrive; those before it come twice."""
    another: bool = False
    """Each time a stream is asked for it is another answer."""
    asked: list[Wire] = field(default_factory=list[Wire])
    """Every call that was made, resends left out."""
    cancels: list[Wire] = field(default_factory=list[Wire])
    answered: int = 0
    aborted: int = 0
    _subscriptions: list[Subscription] = field(default_factory=list[Subscription])
    _open: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, "asyncio.Task[None]"])

    async def appear(self) -> None:
        subscribe = self.bus.client.subscribe  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        self._subscriptions = [
            await subscribe(f"{self.root}.complete", queue="llm", cb=self._complete),
            await subscribe(f"{self.root}.cancel", cb=self._cancel),
        ]
        await self.bus.client.flush()

    async def vanish(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions = []
        for task in list(self._open.values()):
            task.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)
        await self.bus.client.flush()

    async def _complete(self, message: Msg) -> None:
        call = ormsgpack.unpackb(message.data)
        if call["id"] not in self._open and not self.silent:
            self.asked.append(call)
            task = self._open[call["id"]] = asyncio.create_task(self._serve(call, message.reply))
            task.add_done_callback(lambda _: self._open.pop(call["id"]))

    async def _cancel(self, message: Msg) -> None:
        cancel = ormsgpack.unpackb(message.data)
        self.cancels.append(cancel)
        for call in [call for call in self.asked if call["id"] in self._open]:
            if call["id"] in cancel.get("ids", ()) or call["job"] == cancel.get("job"):
                self._open[call["id"]].cancel()
                self.aborted += 1

    async def _serve(self, call: Wire, reply: str) -> None:
        beating = asyncio.create_task(self._beat(reply))
        try:
            await asyncio.sleep(self.delay_s)
            frames = self._frames(call)
            if self.lose is not None and call["stream"]:
                frames = [*frames[: self.lose], *frames[: self.lose], *frames[self.lose + 1 :]]
                self.lose = None
            for frame in frames:
                await self.bus.client.publish(reply, ormsgpack.packb(frame))
            self.answered += 1
        finally:
            beating.cancel()

    async def _beat(self, reply: str) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                if not self.silent:
                    await self.bus.client.publish(reply, ormsgpack.packb({"t": "hb"}))
                await asyncio.sleep(0.5)

    def _frames(self, call: Wire) -> list[Wire]:
        if self.failure is not None:
            return [{"t": "err", **self.failure}]
        text = "no fields at all" if self.garbage else answer(call["req"])
        usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        head = {"id": call["id"], "model": call["req"]["model"]}
        message = {"role": "assistant", "parts": [{"type": "text", "text": text}]}
        events: list[Wire] = []
        if call["stream"]:
            pieces = [text[at : at + 8] for at in range(0, len(text), 8)]
            events = [
                {"type": "start", **head},
                *({"type": "delta", "delta": {"type": "text", "part_index": 0, "text": piece}} for piece in pieces),
                {"type": "end", "finish_reason": "stop", "usage": usage},
            ]
        done: Wire = {"t": "ok", "res": {**head, "message": message, "finish_reason": "stop", "usage": usage}}
        stream = f"s{len(self.asked)}" if self.another else "s"
        numbered: list[Wire] = [{"t": "ev", "s": stream, "n": n, "e": event} for n, event in enumerate(events)]
        return [*numbered, {**done, "s": stream} if events else done]


def answer(request: Wire) -> str:
    """Fills the wanted fields like the most similar example in the prompt does."""
    messages = [(it["role"], "".join(part["text"] for part in it["parts"])) for it in request["messages"]]
    question = messages[-1][1]
    wanted = re.findall(r"`\[\[ ## (\w+) ## \]\]`", question.partition("Respond with")[2])
    examples: list[tuple[set[str], dict[str, str]]] = [
        (_words(asked), dict(_FIELD.findall(told))) for (role, asked), (_, told) in pairwise(messages) if role == "user"
    ]
    options = re.findall(r"'([^']*)'", question.partition("Literal[")[2].partition("]")[0]) or ["nothing"]
    words = _words(question.partition("Respond with")[0])
    nearest: dict[str, str] = max(examples, key=lambda example: len(words & example[0]))[1] if examples else {}
    filled = {name: (nearest.get(name) or options[0]).strip() for name in wanted if name != "completed"}
    if "reasoning" in filled:
        filled["reasoning"] = f"I know {len(examples)} examples."
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in filled.items()) + "\n\n[[ ## completed ## ]]"


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))


@contextlib.asynccontextmanager
async def serving(bus: Bus, **how: Any) -> AsyncGenerator[ModelService]:
    service = ModelService(bus, **how)
    await service.appear()
    try:
        yield service
    finally:
        await service.vanish()
