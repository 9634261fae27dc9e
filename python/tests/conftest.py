"""A real nats-server and real workers; everything started here is ended here, by its pid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from harness import Bus, Node, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server.start(tmp_path_factory.mktemp("nats"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def bus(server: Server) -> AsyncIterator[Bus]:
    bus = await Bus.connect(server.url)
    yield bus
    await bus.close()


class StartWorker(Protocol):
    async def __call__(self, target: str = ..., *options: str) -> Node: ...


@pytest.fixture
async def start_worker(server: Server, bus: Bus, tmp_path: Path) -> AsyncIterator[StartWorker]:
    nodes: list[Node] = []

    async def start(target: str = "functions:app", *options: str) -> Node:
        node = await Node.start(bus, server.url, target, tmp_path / f"worker-{len(nodes)}.log", options)
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        await node.end()
