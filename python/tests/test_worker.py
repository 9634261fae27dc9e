"""The wire contract of a worker, over a real server and with real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import StartWorker
from harness import SOURCES, Bus, Node, Server, until
from nats.errors import NoRespondersError
from nats.micro.service import ServiceInfo, ServicePing, ServiceStats


@pytest.fixture(scope="module")
async def worker(server: Server, bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """For tests that leave it as it was."""
    log = tmp_path_factory.mktemp("shared") / "worker.log"
    node = await Node.start(bus, server.url, "functions:app", log, ["--slots", "4"])
    yield node
    await node.end()


class TestCalls:
    async def test_a_plain_and_a_coroutine_function_answer(self, worker: Node) -> None:
        assert (await worker.call("add", {"a": 2, "b": 3}))["value"] == 5
        answer = await worker.call("text.shout", {"text": "hi", "style": "louder"}, id="shout.1")
        assert answer == {
            "v": 1, "id": "shout.1", "ok": True, "value": "HI!!!", "worker": worker.name, "wallMs": answer["wallMs"],
        }  # fmt: skip

    async def test_any_worker_of_the_pool_answers_json_to_json(self, worker: Node, bus: Bus) -> None:
        answer = await bus.ask_json(f"{worker.pooled}.call", {"id": "j1", "fn": "add", "args": {"a": 1}})
        assert (answer["ok"], answer["value"]) == (True, 2)

    async def test_values_survive_the_way(self, worker: Node) -> None:
        value: Any = {"none": None, "deep": [1, -(2**40), 0.5, "é", {"k": [True]}], "bytes": b"\x00\xff"}
        assert (await worker.call("echo", {"value": value}))["value"] == value

    @pytest.mark.parametrize(
        ("fn", "args", "code", "says"),
        [
            ("nope", {}, "UnknownFunction", "there are: add"),
            ("__class__", {}, "UnknownFunction", "no function '__class__'"),
            ("add", {}, "InvalidArguments", "a: Field required"),
            ("add", {"a": 1, "c": 2}, "InvalidArguments", "c: Extra inputs"),
            ("add", {"a": "1"}, "InvalidArguments", "a: Input should be a valid integer"),
            ("text.shout", {"text": "x", "style": "quiet"}, "InvalidArguments", "'loud' or 'louder'"),
        ],
    )
    async def test_what_cannot_be_called_is_refused(
        self, worker: Node, fn: str, args: dict[str, Any], code: str, says: str
    ) -> None:
        error = (await worker.call(fn, args))["error"]
        assert (error["code"], error["applied"], error["retryable"]) == (code, "no", False)
        assert says in error["message"]

    async def test_a_higher_version_and_a_broken_body_are_refused(self, worker: Node, bus: Bus) -> None:
        answer = await bus.ask(f"{worker.direct}.call", {"v": 2, "id": "v2", "fn": "add", "args": {"a": 1}})
        assert (answer["id"], answer["error"]["code"]) == ("v2", "UnsupportedVersion")
        raw = await bus.client.request(f"{worker.direct}.call", b"{}", headers={"content-type": "application/json"})
        assert json.loads(raw.data)["error"]["code"] == "InvalidArguments"

    async def test_an_exception_crosses_whole_and_without_secrets(self, worker: Node) -> None:
        error = (await worker.call("fail"))["error"]
        assert (error["code"], error["applied"]) == ("PythonError", "unknown")
        details = error["details"]
        assert (details["class"], details["bases"]) == ("RuntimeError", ["Exception", "BaseException"])
        assert [cause["class"] for cause in details["causes"]] == ["KeyError"]
        assert "functions.py" in details["traceback"]
        assert "hunter2" not in str(error)
        assert "abc123def" not in str(error)

    async def test_what_cannot_be_sent_is_an_error_not_silence(self, worker: Node, bus: Bus) -> None:
        assert (await worker.call("unsendable"))["error"]["code"] == "ResultNotSerializable"
        too_big = (await worker.call("big", {"size_bytes": 2_000_000}))["error"]
        assert too_big["code"] == "ResultNotSerializable"
        assert "fit into a message" in too_big["message"]
        request = {"id": "bytes-as-json", "fn": "echo", "args": {"value": b"x"}}
        assert (await bus.ask(f"{worker.direct}.call", request))["value"] == b"x"
        again = await bus.ask_json(f"{worker.direct}.call", {**request, "args": {}})
        assert again["error"]["code"] == "ResultNotSerializable"

    async def test_a_function_cannot_end_its_worker_by_sys_exit(self, worker: Node) -> None:
        assert (await worker.call("leave"))["error"]["details"]["class"] == "SystemExit"
        assert (await worker.call("add", {"a": 1}))["ok"]

    async def test_a_request_that_wants_its_answer_elsewhere_is_not_run(self, worker: Node, bus: Bus) -> None:
        stolen: list[bytes] = []
        await bus.watch("tr.test.journal", lambda message: stolen.append(message.data))
        body = json.dumps({"id": "evil", "fn": "add", "args": {"a": 1}}).encode()
        await bus.client.publish(
            f"{worker.direct}.call", body, reply="tr.test.journal", headers={"content-type": "application/json"}
        )
        assert (await worker.call("add", {"a": 1}))["ok"]  # the same subscription, so the other one is dealt with
        await bus.client.flush()
        assert stolen == []


class TestIds:
    async def test_a_repeated_id_re_attaches_and_then_gets_the_kept_answer(self, worker: Node) -> None:
        first = worker.start_call("polite", {"seconds": 0.3}, id="same")
        second = worker.start_call("polite", {"seconds": 0.3}, id="same")
        answers = [await first, await second, await worker.call("polite", {"seconds": 0.3}, id="same")]
        assert [answer["value"] for answer in answers] == ["run 1"] * 3


class TestLimits:
    async def test_busy_is_told_at_once_and_not_kept(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        running = node.start_call("polite", {"seconds": 0.5}, id="long")
        await node.until_in_flight(1)
        busy = await node.call("add", {"a": 1}, id="later")
        assert (busy["error"]["code"], busy["error"]["retryable"]) == ("Busy", True)
        assert (await running)["ok"]
        await node.until_in_flight(0)
        assert (await node.call("add", {"a": 1}, id="later"))["value"] == 2

    @pytest.mark.parametrize("fn", ["polite", "polite_async"])
    async def test_the_deadline_is_kept_and_the_worker_lives_on(self, worker: Node, fn: str) -> None:
        began = time.monotonic()
        answer = await worker.call(fn, {"seconds": 30.0}, deadlineMs=200)
        assert 0.19 < time.monotonic() - began < 1.0
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("Timeout", True)
        assert (await worker.call("add", {"a": 1}))["ok"]

    @pytest.mark.parametrize("fn", ["polite", "polite_async"])
    async def test_cancel_answers_the_call_at_once(self, worker: Node, bus: Bus, fn: str) -> None:
        call = worker.start_call(fn, {"seconds": 30.0}, id=f"cancel {fn}")
        await worker.until_in_flight(1)
        cancelled = await bus.ask(f"{worker.direct}.cancel", {"v": 1, "id": f"cancel {fn}", "reason": "enough"})
        assert cancelled == {"v": 1, "ok": True, "found": True}
        error = (await call)["error"]
        assert (error["code"], error["message"]) == ("Cancelled", "enough")
        assert (await bus.ask(f"{worker.direct}.cancel", {"id": "nobody"}))["found"] is False
        await worker.until_in_flight(0)

    async def test_a_cancel_to_the_pool_is_answered_by_the_holder(self, worker: Node, bus: Bus) -> None:
        call = worker.start_call("polite", {"seconds": 30.0}, id="pooled cancel")
        await worker.until_in_flight(1)
        assert (await bus.ask(f"{worker.pooled}.cancel", {"id": "pooled cancel"}))["found"] is True
        assert (await call)["error"]["code"] == "Cancelled"

    async def test_a_worker_with_work_that_will_not_stop_is_spoilt(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        answer = await node.call("stubborn", {"seconds": 60.0}, deadlineMs=100)
        assert answer["error"]["code"] == "Timeout"
        assert await node.exit_code(within_s=6) == 75
        await until(lambda: node.said_kinds("goodbye"))
        assert "stubborn did not stop" in node.said_kinds("goodbye")[0]["reason"]

    async def test_a_worker_whose_interpreter_is_held_is_ended_by_its_sidecar(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        call = node.start_call("hold", {"seconds": 60.0}, deadlineMs=100)
        assert await node.exit_code(within_s=6) == -signal.SIGKILL
        await until(lambda: node.said_kinds("goodbye"))
        assert "holds the interpreter" in node.said_kinds("goodbye")[0]["reason"]
        call.cancel()


class TestPresence:
    async def test_hello_says_who_and_what(self, worker: Node) -> None:
        hello = worker.said_kinds("hello")[0]
        assert {key: hello[key] for key in ("v", "pool", "worker", "nonce", "protocol", "slots")} == {
            "v": 1, "pool": worker.pool, "worker": worker.name, "nonce": worker.nonce, "protocol": 1, "slots": 4,
        }  # fmt: skip
        assert hello["pid"] == worker.process.pid
        assert abs(hello["startedAt"] - time.time() * 1_000) < 600_000
        assert {"name": "add", "doc": "Adds two numbers."} in hello["functions"]
        assert "nats-py" in hello["packages"]
        assert len(hello["lock"]) == 16
        assert hello["host"]
        assert hello["python"].startswith("3.")

    async def test_hello_is_repeated_when_asked(self, worker: Node, bus: Bus) -> None:
        for subject in (f"{worker.direct}.hello", f"{worker.pooled}.hello"):
            before = len(worker.said_kinds("hello"))
            await bus.client.publish(subject, b"")
            await until(lambda seen=before: len(worker.said_kinds("hello")) > seen)

    async def test_beats_go_on_while_the_interpreter_is_held(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        await until(lambda: node.said_kinds("beat"))
        assert (await node.call("hold", {"seconds": 2.0}))["value"] == "held"
        await node.until_in_flight(0)
        beats = [(at, beat) for at, beat in node.said if beat["kind"] == "beat"]
        gaps = [later[0] - earlier[0] for earlier, later in pairwise(beats)]
        assert max(gaps) < 1.0
        assert max(beat["loopAgeMs"] for _, beat in beats) > 1_200
        assert beats[-1][1]["done"] == 1
        assert beats[-1][1]["rssBytes"] > 10_000_000
        assert beats[-1][1]["state"] == "running"

    async def test_a_frozen_worker_is_told_from_a_dead_one(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        os.kill(node.process.pid, signal.SIGSTOP)
        await until(lambda: any(beat["state"] == "frozen" for beat in node.said_kinds("beat")))
        os.kill(node.process.pid, signal.SIGCONT)
        assert (await node.call("add", {"a": 1}))["ok"]

    async def test_a_crash_is_told_at_once(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        began = time.monotonic()
        call = node.start_call("die")
        await until(lambda: node.said_kinds("goodbye"))
        assert time.monotonic() - began < 3
        assert await node.exit_code() == -signal.SIGABRT
        call.cancel()

    async def test_it_is_a_micro_service(self, worker: Node, bus: Bus) -> None:
        async def ask(verb: str) -> dict[str, Any]:
            answer = await bus.client.request(f"$SRV.{verb}.troupe-worker.{worker.nonce}", b"")
            return json.loads(answer.data)

        ping = ServicePing.from_dict(await ask("PING"))
        assert (ping.name, ping.metadata["worker"]) == ("troupe-worker", worker.name)
        info = ServiceInfo.from_dict(await ask("INFO"))
        assert [(it.name, it.subject, it.queue_group) for it in info.endpoints] == [
            ("call", f"{worker.pooled}.call", "py")
        ]
        stats = ServiceStats.from_dict({**(await ask("STATS")), "endpoints": []})
        assert stats.started.year >= 2024
        before = (await ask("STATS"))["endpoints"][0]
        await worker.call("fail")
        after = (await ask("STATS"))["endpoints"][0]
        assert after["num_requests"] == before["num_requests"] + 1
        assert after["num_errors"] == before["num_errors"] + 1


class TestEnding:
    async def test_sigterm_finishes_what_runs(self, start_worker: StartWorker) -> None:
        node = await start_worker()
        running = node.start_call("polite", {"seconds": 0.7})
        await node.until_in_flight(1)
        node.process.terminate()
        await until(lambda: any(beat["state"] == "draining" for beat in node.said_kinds("beat")))
        assert (await node.call("add", {"a": 1}))["error"]["code"] == "Busy"
        assert (await running)["ok"]
        assert await node.exit_code(within_s=3) == 0
        await until(lambda: node.said_kinds("goodbye"))
        assert [bye["reason"] for bye in node.said_kinds("goodbye")] == ["received SIGTERM"]

    async def test_stop_waits_for_what_runs(self, start_worker: StartWorker, bus: Bus) -> None:
        node = await start_worker()
        running = node.start_call("polite", {"seconds": 0.5})
        await node.until_in_flight(1)
        assert (await bus.ask(f"{node.direct}.stop", {"v": 1}))["ok"]
        assert (await running)["ok"]
        assert await node.exit_code(within_s=3) == 0

    async def test_a_worker_dies_with_its_parent(self, server: Server, bus: Bus) -> None:
        said: list[dict[str, Any]] = []
        await bus.watch("tr.test.ph.orphans.*", lambda message: said.append(json.loads(message.data)))
        paths = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
        script = (
            "import os, subprocess, sys\n"
            "subprocess.Popen([sys.executable, '-m', 'troupe_worker', 'functions:app', '--pool', 'orphans', '--nats',"
            " sys.argv[1], '--namespace', 'test', '--parent', str(os.getpid())], stdin=subprocess.PIPE).wait()"
        )
        parent = subprocess.Popen([sys.executable, "-c", script, server.url], env={**os.environ, "PYTHONPATH": paths})
        try:
            await until(lambda: [it for it in said if it["kind"] == "hello"])
            began = time.monotonic()
        finally:
            parent.kill()
            parent.wait()
        await until(lambda: [it for it in said if it["kind"] == "goodbye"], within_s=3)
        await until(lambda: not _alive(said[0]["pid"]), within_s=3)
        assert time.monotonic() - began < 3

    async def test_a_start_failure_says_why(self, server: Server, bus: Bus, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="is not a troupe_worker App"):
            await Node.start(bus, server.url, "functions:nothing", tmp_path / "log", [])
        with pytest.raises(AssertionError, match="No module named 'missing'"):
            await Node.start(bus, server.url, "missing:app", tmp_path / "log", [])

    async def test_a_lost_server_is_waited_for(self, tmp_path: Path) -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = Server.start(_folder(tmp_path / "before"))
            stack.callback(server.stop)
            bus = await Bus.connect(server.url)
            stack.push_async_callback(bus.close)
            node = await Node.start(bus, server.url, "functions:app", tmp_path / "log", [])
            stack.push_async_callback(node.end)
            server.stop()
            again = Server.start(_folder(tmp_path / "after"), port=server.port)
            stack.callback(again.stop)
            seen = len(node.said)
            await until(lambda: len(node.said) > seen)  # its sidecar is back
            await until(lambda: bus.client.is_connected)
            assert await _first_answer(node) == 2  # and so is the worker


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def _first_answer(node: Node) -> object:
    while True:
        with contextlib.suppress(NoRespondersError):
            return (await node.call("add", {"a": 1}))["value"]
