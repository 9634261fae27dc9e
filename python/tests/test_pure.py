"""The parts without I/O: names, spans, the table of calls, masking; and the public surface."""

from __future__ import annotations

import pytest

import troupe_worker
import troupe_worker.dspy
import troupe_worker.optuna
from troupe_worker import App
from troupe_worker._call import Call
from troupe_worker._codec import Format
from troupe_worker._errors import mask
from troupe_worker._options import parse_options
from troupe_worker._spans import SPANS_PER_CALL, Spans
from troupe_worker._subjects import is_inbox, token
from troupe_worker._table import KEEP_S, CallTable, Kept, Running


def test_the_public_surface() -> None:
    assert troupe_worker.__all__ == ["App", "Call", "CallStopped", "InvalidArguments", "current_call"]
    assert troupe_worker.dspy.__all__ == [
        "AsyncBusEngine", "BusEngine", "Job", "Variable", "apply", "job", "predictor", "program",
        "variables_of",
    ]  # fmt: skip
    assert troupe_worker.optuna.__all__ == [
        "Choice", "FloatRange", "IntRange", "Space", "Trial", "Value", "app", "ask", "check",
    ]  # fmt: skip


def test_every_id_is_one_token() -> None:
    assert [token(it) for it in ("a-B_9", "a.b", "é>", "=")] == ["a-B_9", "a=2Eb", "=C3=A9=3E", "=3D"]


def test_only_inboxes_are_answered() -> None:
    assert is_inbox("_INBOX.a.1")
    assert not any(is_inbox(subject) for subject in ("", "_INBOX.", "_INBOX", "tr.default.j.x", "x._INBOX.a"))


def test_the_server_comes_from_the_command_line_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROUPE_NATS_URL", "nats://joe:pw@a,nats://b")
    assert parse_options(["m:app", "--pool", "p"]).urls == ["nats://joe:pw@a", "nats://b"]
    assert parse_options(["m:app", "--pool", "p", "--nats", "nats://c"]).urls == ["nats://c"]
    monkeypatch.delenv("TROUPE_NATS_URL")
    with pytest.raises(SystemExit):
        parse_options(["m:app", "--pool", "p"])


def test_secrets_are_masked() -> None:
    text = "Authorization: Bearer abc.def nats://joe:pw1@host api_key='k1' sk-abcdefgh12 token=t1"
    masked = mask(text)
    assert not [secret for secret in ("abc.def", "pw1", "k1'", "abcdefgh12", "t1") if secret in masked]


class TestSpans:
    def test_ids_follow_the_tree_and_the_rank_not_the_clock(self) -> None:
        spans = Spans(now=iter(range(100)).__next__)
        spans.start("root", None, "evaluate", "all")
        spans.start("row 1", "root", "module", "second", rank=1)
        spans.start("row 0", "root", "module", "first", rank=0)
        spans.start("lm of 1", "row 1", "lm", "m", rank=1)
        for key in ("lm of 1", "row 1", "row 0", "root"):
            spans.end(key)
        wire, dropped = spans.to_wire()
        assert [(span["id"], span["parent"], span["name"]) for span in wire] == [
            (1, None, "all"), (2, 1, "first"), (3, 1, "second"), (4, 3, "m"),
        ]  # fmt: skip
        assert dropped == 0

    def test_the_cut_keeps_every_parent(self) -> None:
        spans = Spans()
        for number in range(SPANS_PER_CALL):
            spans.start(f"p{number}", None, "module", "p")
            spans.start(f"c{number}", f"p{number}", "lm", "c")
        wire, dropped = spans.to_wire()
        assert (len(wire), dropped) == (SPANS_PER_CALL, SPANS_PER_CALL)
        ids = {span["id"] for span in wire}
        assert all(span["parent"] is None or span["parent"] in ids for span in wire)

    def test_what_is_still_open_is_closed_as_an_error(self) -> None:
        spans = Spans()
        spans.start("a", None, "module", "a")
        [span], _ = spans.to_wire()
        assert (span["status"], span["data"]) == ("error", {"error": "not finished when the call answered"})


class TestCallTable:
    def test_an_answer_is_kept_for_its_time_and_no_longer(self) -> None:
        table = CallTable()
        table.begin(Call("a", "f"), _silent)
        assert isinstance(table.find("a", 0.0), Running)
        assert table.finish("a", _body, 1, 0.0) == [_silent]
        assert isinstance(table.find("a", KEEP_S - 1), Kept)
        assert table.find("a", KEEP_S) is None

    @pytest.mark.parametrize("size_bytes", [1, 1024 * 1024])
    def test_memory_is_bounded(self, size_bytes: int) -> None:
        table = CallTable()
        for number in range(2_000):
            table.begin(Call(f"{number}", "f"), _silent)
            table.finish(f"{number}", _body, size_bytes, 0.0)
        kept = [number for number in range(2_000) if table.find(f"{number}", 0.0)]
        assert len(kept) == min(1_000, 32 * 1024 * 1024 // size_bytes)
        assert kept[-1] == 1_999


class TestApp:
    def test_names_are_unique_and_apps_compose(self) -> None:
        app, other = App(), App()

        @other.function
        def one() -> int:  # pyright: ignore[reportUnusedFunction]
            return 1

        app.include(other)
        assert [function.name for function in app] == ["one"]
        with pytest.raises(ValueError, match="two functions are named 'one'"):
            app.include(other)

    def test_what_callers_cannot_be_checked_against_is_refused_at_once(self) -> None:
        def untyped(x): ...  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]

        def rest(*args: int) -> None: ...

        with pytest.raises(TypeError, match="needs a type hint"):
            App().function(untyped)  # pyright: ignore[reportUnknownArgumentType]

        with pytest.raises(TypeError, match="cannot be passed by name"):
            App().function(rest)


def _silent(_: object) -> None:
    """A caller that does not listen."""


def _body(_: Format) -> bytes:
    return b""
