"""DSPy in a worker, its model calls answered on the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import StartWorker
from harness import Bus, Node, Server, until
from model_service import ModelService, serving

from troupe_demo.docstrings import load_rows

DEV = load_rows().dev
INPUT = {"docstring": "Connect the socket to a remote address."}
Wire = dict[str, Any]


@pytest.fixture(scope="module")
async def worker(server: Server, bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    log = tmp_path_factory.mktemp("dspy") / "worker.log"
    node = await Node.start(bus, server.url, "programs:app", log, ["--slots", "4"])
    yield node
    await node.end()


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[ModelService]:
    async with serving(bus) as service:
        yield service


def by_parent(spans: list[Wire]) -> dict[int | None, list[Wire]]:
    children: dict[int | None, list[Wire]] = {}
    for span in spans:
        children.setdefault(span["parent"], []).append(span)
    return children


def timeless(spans: list[Wire]) -> list[Wire]:
    return [{key: value for key, value in span.items() if key not in ("startMs", "endMs")} for span in spans]


class TestProgram:
    async def test_variables_are_listed(self, worker: Node) -> None:
        variables = (await worker.call("triage.variables"))["value"]
        assert [(it["name"], it["kind"], it["value"]) for it in variables] == [
            ("demos", "int", 0),
            ("demo_seed", "choice", 0),
            ("style", "choice", "Predict"),
            ("temperature", "float", 0.0),
            ("instruction", "choice", "plain"),
        ]
        assert (variables[0]["low"], variables[0]["high"], variables[1]["choices"]) == (0, 16, [0, 1, 2, 3])
        names = [it["name"] for it in (await worker.call("two.variables"))["value"]]
        assert names[:4] == ["summarize.module", "summarize.instructions", "summarize.demos", "summarize.temperature"]
        assert "judge.field.verdict" in names

    async def test_rows_are_real_and_apart(self, worker: Node) -> None:
        rows = (await worker.call("triage.rows"))["value"]
        assert (len(rows["labels"]), rows["pool"], len(rows["dev"])) == (8, 72, 50)
        assert len(rows["heldOut"]) > 40
        assert not {row["docstring"] for row in rows["dev"]} & {row["docstring"] for row in rows["heldOut"]}
        assert set(rows["dev"][0]) == {"docstring", "module"}

    async def test_run_gives_outputs_and_the_tree_of_what_happened(self, worker: Node, service: ModelService) -> None:
        assignment = {"demos": 4, "style": "ChainOfThought", "temperature": 0.5}
        answer = await worker.call("triage.run", {"inputs": INPUT, "assignment": assignment}, id="job.1")
        assert set(answer["value"]) == {"module"}, "what the signature does not have stays inside"
        assert answer["value"]["module"] in {row["module"] for row in DEV}
        assert "`reasoning`" in service.asked[0]["req"]["system"]
        [asked] = service.asked
        assert (asked["job"], asked["req"]["model"], asked["req"]["config"]["temperature"]) == ("job.1", "default", 0.5)
        children = by_parent(answer["spans"])
        [root] = children[None]
        [predict] = children[root["id"]]
        assert (root["name"], predict["name"]) == ("ChainOfThought", "Predict")
        kinds = [(span["kind"], span["status"]) for span in children[predict["id"]]]
        assert kinds == [("adapter_format", "ok"), ("lm", "ok"), ("adapter_parse", "ok")]
        assert [span["id"] for span in answer["spans"]] == [1, 2, 3, 4, 5]
        assert answer["spans"][3]["data"] == {
            "model": "default", "temperature": 0.5, "promptTokens": 7, "completionTokens": 3, "llmCall": asked["id"],
        }  # fmt: skip
        assert 0 <= root["startMs"] <= predict["startMs"] <= predict["endMs"] <= root["endMs"] <= answer["wallMs"] + 50

    async def test_an_evaluation_does_not_depend_on_threads(self, worker: Node, service: ModelService) -> None:
        answers: list[Wire] = []
        for threads in (1, 8):
            args = {"rows": DEV, "metric": "exact", "assignment": {"demos": 16}, "threads": threads, "detail": True}
            answers.append(await worker.call("triage.evaluate", args, id=f"evaluate on {threads}"))
        values = [answer["value"] for answer in answers]
        assert values[0] == values[1]
        assert values[0]["total"] == 50
        assert values[0]["score"] == values[0]["correct"] / 50 > 0.2
        assert values[0]["usage"] == {"calls": 50, "promptTokens": 350, "completionTokens": 150}
        assert [row["index"] for row in values[0]["rows"]] == list(range(50))
        trees = [timeless(answer["spans"]) for answer in answers]
        for tree, threads in zip(trees, (1, 8), strict=True):
            for span in tree:
                if "llmCall" in span.get("data", {}):
                    span["data"]["llmCall"] = span["data"]["llmCall"].removeprefix(f"evaluate on {threads}")
        assert trees[0] == trees[1]
        assert trees[0][0]["kind"] == "evaluate"
        assert len(trees[0]) == 1 + 50 * 4

    async def test_demonstrations_help(self, worker: Node, service: ModelService) -> None:
        scores = [
            (await worker.call("triage.evaluate", {"rows": DEV, "metric": "exact", "assignment": {"demos": k}}))[
                "value"
            ]
            for k in (0, 16)
        ]
        assert scores[1]["score"] > scores[0]["score"]
        assert "rows" not in scores[0]

    @pytest.mark.parametrize(
        ("fn", "args", "says"),
        [
            (
                "triage.run",
                {"inputs": INPUT, "assignment": {"demos": 17}},
                "assignment.demos: 17 is not a whole number",
            ),
            ("triage.run", {"inputs": INPUT, "assignment": {"style": "ReAct"}}, "'ReAct' is not one of"),
            ("triage.run", {"inputs": INPUT, "assignment": {"self.demos": []}}, "no variable self.demos"),
            ("two.run", {"inputs": {"text": "x"}, "assignment": {"nope.demos": []}}, "no variable nope.demos"),
            ("triage.evaluate", {"rows": [], "metric": "exact"}, "at least 1 item"),
            ("triage.evaluate", {"rows": DEV, "metric": "fuzzy"}, "no metric 'fuzzy'; there are: exact"),
            ("triage.evaluate", {"rows": [{"text": "x"}], "metric": "exact"}, "rows[0]: no docstring"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, worker: Node, fn: str, args: Wire, says: str) -> None:
        error = (await worker.call(fn, args))["error"]
        assert error["code"] == "InvalidArguments"
        assert says in error["message"]

    async def test_slots_are_assigned_by_path(self, worker: Node, service: ModelService) -> None:
        assignment = {
            "summarize.module": "ChainOfThought",
            "summarize.instructions": "Be brief.",
            "summarize.temperature": 0.25,
            "judge.demos": [{"summary": "nothing", "verdict": "guilty"}],
            "judge.module": "Predict",
        }
        answer = await worker.call("two.run", {"inputs": {"text": "x"}, "assignment": assignment})
        assert answer["value"] == {"verdict": "guilty"}
        first, second = service.asked
        assert "Be brief." in first["req"]["system"]
        assert "`reasoning`" in first["req"]["system"]
        assert first["req"]["config"]["temperature"] == 0.25
        assert "`reasoning`" not in second["req"]["system"]

    async def test_coroutines_streams_and_optimizers_work_in_a_job(self, worker: Node, service: ModelService) -> None:
        assert (await worker.call("async", {"text": "a"}))["value"] == "argparse"
        streamed = (await worker.call("streamed", {"text": "a"}))["value"]
        assert streamed == {"text": "argparse", "prediction": {"module": "argparse"}}
        assert any(call["stream"] for call in service.asked)
        optimized = await worker.call("optimize", {"rows": 12})
        assert optimized["value"]["calls"] > 0
        assert optimized["value"]["demos"] > 0
        assert optimized["spans"][0]["kind"] == "compile"
        ids = {span["id"] for span in optimized["spans"]}
        assert all(span["parent"] is None or span["parent"] in ids for span in optimized["spans"])

    async def test_a_stream_that_loses_an_event_gets_it_again(self, worker: Node, service: ModelService) -> None:
        for lost in (0, 2, 4):
            service.lose = lost
            streamed = (await worker.call("streamed", {"text": "a"}))["value"]
            assert streamed == {"text": "argparse", "prediction": {"module": "argparse"}}
            assert service.lose is None

    async def test_a_stream_is_never_made_of_two_answers(self, worker: Node, service: ModelService) -> None:
        service.lose, service.another = 2, True
        failed = await worker.call("streamed", {"text": "a"})
        assert failed["error"]["code"] == "LlmUnavailable"
        assert "another one began a new answer" in failed["error"]["message"]

    async def test_spans_are_bounded_and_the_rest_is_counted(self, worker: Node, service: ModelService) -> None:
        args = {"rows": DEV * 11, "metric": "exact", "threads": 16}
        answer = await worker.call("triage.evaluate", args)
        assert (len(answer["spans"]), answer["dropped"]) == (2_000, 1 + 550 * 4 - 2_000)


class TestModelCalls:
    async def test_the_same_call_asks_under_the_same_ids_on_any_worker(
        self, worker: Node, start_worker: StartWorker, service: ModelService
    ) -> None:
        other = await start_worker("programs:app")
        args = {"rows": [*DEV[:10], DEV[0]], "metric": "exact", "threads": 8}
        await worker.call("triage.evaluate", args, id="again")
        await other.call("triage.evaluate", args, id="again")
        ids = [call["id"] for call in service.asked]
        assert sorted(ids[:11]) == sorted(ids[11:])
        assert len(set(ids)) == 11

    async def test_nobody_there_is_told_within_4_s(self, worker: Node) -> None:
        began = time.monotonic()
        error = (await worker.call("triage.run", {"inputs": INPUT}))["error"]
        assert (error["code"], error["retryable"]) == ("LlmUnavailable", True)
        assert "nobody serves model calls" in error["message"]
        assert 1.9 < time.monotonic() - began < 4

    async def test_a_service_that_falls_silent_is_told_within_4_s(self, worker: Node, service: ModelService) -> None:
        service.delay_s, service.silent = 60, True
        began = time.monotonic()
        error = (await worker.call("triage.evaluate", {"rows": DEV, "metric": "exact"}))["error"]
        assert error["code"] == "LlmUnavailable"
        assert "fell silent" in error["message"]
        assert 3 < time.monotonic() - began < 4

    async def test_a_service_that_dies_in_a_call_is_told_within_4_s(self, worker: Node, service: ModelService) -> None:
        service.delay_s = 60
        call = worker.start_call("triage.run", {"inputs": INPUT})
        await until(lambda: service.asked)
        await service.vanish()
        began = time.monotonic()
        assert (await call)["error"]["code"] == "LlmUnavailable"
        assert time.monotonic() - began < 4

    async def test_a_service_that_comes_back_is_asked_again(self, worker: Node, service: ModelService) -> None:
        service.delay_s = 60
        call = worker.start_call("triage.evaluate", {"rows": DEV[:8], "metric": "exact"})
        await until(lambda: len(service.asked) == 4)
        await service.vanish()
        service.delay_s = 0
        await service.appear()
        assert (await call)["value"]["total"] == 8
        assert len({asked["id"] for asked in service.asked}) == 8

    async def test_cancel_ends_the_call_and_its_model_calls(
        self, worker: Node, bus: Bus, service: ModelService
    ) -> None:
        service.delay_s = 60
        args = {"rows": DEV, "metric": "exact", "threads": 8}
        call = worker.start_call("triage.evaluate", args, id="to be cancelled")
        await until(lambda: len(service.asked) == 8)
        began = time.monotonic()
        assert (await bus.ask(f"{worker.direct}.cancel", {"id": "to be cancelled"}))["found"]
        answer = await call
        assert (answer["error"]["code"], time.monotonic() - began < 0.5) == ("Cancelled", True)
        await until(lambda: service.aborted == 8)
        await worker.until_in_flight(0)
        assert any(cancel.get("job") == "to be cancelled" for cancel in service.cancels)
        assert len(service.asked) == 8
        assert answer["spans"][0]["status"] == "error"

    async def test_the_deadline_holds_but_does_not_bar_a_second_try(self, worker: Node, service: ModelService) -> None:
        service.delay_s = 60
        call = worker.start_call("triage.run", {"inputs": INPUT}, deadlineMs=300)
        assert (await call)["error"]["code"] == "Timeout"
        await until(lambda: service.cancels)
        assert "job" not in service.cancels[0]
        assert service.asked[0]["deadlineMs"] <= 300
        await worker.until_in_flight(0)

    async def test_a_service_that_refuses_the_job_ends_the_call(self, worker: Node, service: ModelService) -> None:
        service.failure = {"code": "cancelled", "message": "the job is cancelled"}
        error = (await worker.call("triage.evaluate", {"rows": DEV, "metric": "exact"}))["error"]
        assert (error["code"], error["message"]) == ("Cancelled", "the job is cancelled")

    async def test_an_error_of_the_provider_fails_the_call_and_keeps_its_fields(
        self, worker: Node, service: ModelService
    ) -> None:
        service.failure = {
            "code": "rate_limit", "message": "slow down", "status": 429, "retry_after": 1.5, "provider": "p",
        }  # fmt: skip
        error = (await worker.call("triage.evaluate", {"rows": DEV, "metric": "exact"}))["error"]
        assert (error["code"], error["retryable"]) == ("PythonError", True)
        assert error["details"]["class"].endswith("LMRateLimitError")
        fields = error["details"]["fields"]
        assert (fields["status"], fields["retry_after"], fields["provider"]) == (429, 1.5, "p")

    async def test_an_answer_that_cannot_be_parsed_is_a_wrong_answer(self, worker: Node, service: ModelService) -> None:
        service.garbage = True
        args = {"rows": DEV[:3], "metric": "exact", "detail": True}
        value = (await worker.call("triage.evaluate", args))["value"]
        assert (value["score"], value["correct"]) == (0.0, 0)
        assert "failed to parse" in value["rows"][0]["error"]

    async def test_calls_are_isolated_from_each_other(self, worker: Node, service: ModelService) -> None:
        rows = {"rows": DEV[:20], "metric": "exact"}
        calls = [worker.start_call("triage.evaluate", {**rows, "assignment": {"demos": k}}) for k in (0, 4, 8, 16)]
        together = [(await call)["value"] for call in await _all(calls)]
        alone = [
            (await worker.call("triage.evaluate", {**rows, "assignment": {"demos": k}}))["value"] for k in (0, 4, 8, 16)
        ]
        assert together == alone


async def _all(calls: list[asyncio.Task[Wire]]) -> list[asyncio.Task[Wire]]:
    await asyncio.wait(calls)
    return calls
