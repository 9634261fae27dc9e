"""Signatures at the border of a worker: who disagrees is told so before anything starts."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import dspy
import pytest
from harness import Bus, Node, Server
from model_service import ModelService, serving
from signed_programs import Triage

from troupe_worker.signatures import spec_of

Wire = dict[str, Any]
SPEC = spec_of(Triage)
HASH = SPEC["hash"]
OTHER = "0" * 32
INPUTS = {"text": "it hangs", "tries": 2}
ROWS = [{**INPUTS, "label": "bug"}]


@pytest.fixture(scope="module")
async def worker(server: Server, bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    log = tmp_path_factory.mktemp("signed") / "worker.log"
    node = await Node.start(bus, server.url, "signed_programs:app", log, ["--slots", "4"])
    yield node
    await node.end()


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[ModelService]:
    async with serving(bus) as service:
        yield service


def about(error: Wire) -> tuple[str, str, bool]:
    return error["code"], error["applied"], error["retryable"]


class TestProgram:
    async def test_the_outputs_are_those_of_the_signature(self, worker: Node, service: ModelService) -> None:
        for signature in (HASH, None):
            answer = await worker.call("triage.run", {"inputs": INPUTS, "signature": signature})
            assert answer["value"] == {"label": "bug"}
        assert "`reasoning`" in service.asked[0]["req"]["system"]
        rows = {"rows": ROWS, "metric": "same", "signature": HASH}
        assert (await worker.call("triage.evaluate", rows))["value"]["score"] == 1.0

    async def test_another_signature_is_refused_before_anything_starts(
        self, worker: Node, service: ModelService
    ) -> None:
        calls: list[tuple[str, Wire]] = [
            ("run", {"inputs": INPUTS}),
            ("evaluate", {"rows": ROWS, "metric": "same"}),
        ]
        for fn, args in calls:
            error = (await worker.call(f"triage.{fn}", {**args, "signature": OTHER}))["error"]
            assert about(error) == ("SignatureDrift", "no", False)
            for said in (OTHER, HASH, "troupe signatures build"):
                assert said in error["message"]
            error = (await worker.call(f"plain.{fn}", {**args, "signature": HASH}))["error"]
            assert about(error) == ("SignatureDrift", "no", False)
            assert "was given none" in error["message"]
        assert service.asked == []

    async def test_inputs_and_outputs_are_checked(self, worker: Node, service: ModelService) -> None:
        error = (await worker.call("triage.run", {"inputs": {"text": "a", "tries": True, "more": 1}}))["error"]
        assert about(error) == ("InvalidArguments", "no", False)
        assert [issue["path"] for issue in error["details"]["issues"]] == ["tries", "more"]
        error = (await worker.call("careless.run", {"inputs": {"text": "question", "tries": 1}}))["error"]
        assert about(error) == ("ResultRefused", "unknown", False)
        assert error["details"]["issues"] == [{"path": "label", "message": "Input should be one of 'bug', 'wish'"}]
        assert (await worker.call("careless.run", {"inputs": {"text": "wish", "tries": 1}}))["value"] == {
            "label": "wish"
        }
        assert service.asked == []


class TestPredictor:
    async def test_any_signature_is_answered(self, worker: Node, service: ModelService) -> None:
        for _ in range(2):
            answer = await worker.call("signature.predict", {"spec": SPEC, "inputs": INPUTS})
            assert answer["value"] == {"label": "bug"}
        systems = [asked["req"]["system"] for asked in service.asked]
        assert systems == [dspy.ChatAdapter().format(Triage, [], {"text": "", "tries": 0})[0]["content"]] * 2

    async def test_a_module_and_a_model_are_set_up_per_call(self, worker: Node, service: ModelService) -> None:
        config = {"temperature": 0.25, "max_tokens": 64, "top_p": 0.5, "stop": ["x"]}
        call = {"spec": SPEC, "inputs": INPUTS, "module": "ChainOfThought", "config": config}
        value = (await worker.call("signature.predict", call))["value"]
        assert value == {"label": "bug"}
        [asked] = service.asked
        assert "`reasoning`" in asked["req"]["system"]
        assert {key: asked["req"]["config"].get(key) for key in config} == config

    @pytest.mark.parametrize(
        ("change", "about_it", "says"),
        [
            ({"spec": {**SPEC, "name": ""}}, ("SignatureRefused", "no", False), "name"),
            ({"spec": {**SPEC, "instructions": "x"}}, ("SignatureRefused", "no", False), "the spec comes to"),
            ({"inputs": {"text": 1}}, ("InvalidArguments", "no", False), "tries: Field required"),
            ({"module": "ReAct"}, ("InvalidArguments", "no", False), "module"),
            ({"config": {"api_base": "http://x"}}, ("InvalidArguments", "no", False), "api_base"),
            ({"config": {"temperature": 3}}, ("InvalidArguments", "no", False), "less than or equal to 2"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, worker: Node, service: ModelService, change: Wire, about_it: Any, says: str
    ) -> None:
        call = {"spec": SPEC, "inputs": INPUTS, **change}
        error = (await worker.call("signature.predict", call))["error"]
        assert about(error) == about_it
        assert says in error["message"]
        assert service.asked == []

    async def test_reasoning_is_said_once(self, worker: Node, service: ModelService) -> None:
        spec = spec_of(Triage.append("reasoning", dspy.OutputField(), str))
        call = {"spec": spec, "inputs": INPUTS}
        error = (await worker.call("signature.predict", {**call, "module": "ChainOfThought"}))["error"]
        assert about(error) == ("InvalidArguments", "no", False)
        assert set((await worker.call("signature.predict", call))["value"]) == {"label", "reasoning"}
