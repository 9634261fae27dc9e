"""Names and their places on the wire; the Python half of `address.ts`.

1. Every id becomes exactly one subject token through `token`; no other code builds tokens.
2. A worker answers only into inboxes: `is_inbox` is asked before every reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def token(text: str) -> str:
    """Letters, digits, `_` and `-` stay; every other UTF-8 byte becomes `=XX`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(
        chr(byte) if byte < 128 and _PLAIN.fullmatch(chr(byte)) else f"={byte:02X}" for byte in text.encode("utf-8")
    )


def is_inbox(subject: str) -> bool:
    """Whether `subject` is a place we may answer to: a caller must not make us publish elsewhere."""
    return subject.startswith("_INBOX.") and len(subject) > len("_INBOX.")


@dataclass(frozen=True)
class Subjects:
    """The subjects one worker uses."""

    namespace: str
    pool: str
    worker: str

    @property
    def _root(self) -> str:
        return f"tr.{token(self.namespace)}"

    def of_pool(self, verb: str) -> str:
        return f"{self._root}.py.{token(self.pool)}.{verb}"

    def of_worker(self, verb: str) -> str:
        return f"{self._root}.pw.{token(self.worker)}.{verb}"

    @property
    def presence(self) -> str:
        return f"{self._root}.ph.{token(self.pool)}.{token(self.worker)}"

    def llm(self, verb: str) -> str:
        return f"{self._root}.llm.{verb}"
