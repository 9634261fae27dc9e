"""`$SRV.PING|INFO|STATS`: the worker as a NATS micro service, so that `nats micro ls` and its kin find it.

Not the service of nats-py: that one awaits an endpoint's handler before it takes the next message, and counts by it. A
worker answers `Busy` while it works, so the messages are its own and this module only tells about them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final, Literal

from ._desk import Counters

Verb = Literal["PING", "INFO", "STATS"]
VERBS: Final[tuple[Verb, ...]] = ("PING", "INFO", "STATS")
NAME: Final = "troupe-worker"
VERSION: Final = "0.1.0"


@dataclass(frozen=True)
class MicroService:
    id: str
    subject: str
    """Of the one endpoint, `call`. Its numbers count the calls that came straight to the worker too."""
    queue_group: str
    metadata: Mapping[str, str]
    counters: Counters
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def subjects(self, verb: Verb) -> tuple[str, str, str]:
        """Everybody, every worker, this worker."""
        return f"$SRV.{verb}", f"$SRV.{verb}.{NAME}", f"$SRV.{verb}.{NAME}.{self.id}"

    def answer(self, verb: Verb) -> dict[str, Any]:
        head: dict[str, Any] = {
            "type": f"io.nats.micro.v1.{verb.lower()}_response",
            "name": NAME,
            "id": self.id,
            "version": VERSION,
            "metadata": dict(self.metadata),
        }
        endpoint = {"name": "call", "subject": self.subject, "queue_group": self.queue_group}
        if verb == "INFO":
            head["description"] = "Typed Python functions of a Troupe pool"
            head["endpoints"] = [{**endpoint, "metadata": {}}]
        if verb == "STATS":
            head["started"] = self.started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            head["endpoints"] = [{**endpoint, **self._numbers()}]
        return head

    def _numbers(self) -> dict[str, Any]:
        counted = self.counters
        return {
            "num_requests": counted.requests,
            "num_errors": counted.errors,
            "last_error": counted.last_error,
            "processing_time": counted.processing_ns,
            "average_processing_time": counted.processing_ns // max(1, counted.requests),
        }
