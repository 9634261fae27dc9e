"""The command line of a worker."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ._app import App

URL_VARIABLE: Final = "TROUPE_NATS_URL"


@dataclass(frozen=True)
class Options:
    target: str
    pool: str
    urls: Sequence[str]
    creds: str | None
    namespace: str
    name: str
    nonce: str
    slots: int
    parent: int | None


def parse_options(argv: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="troupe_worker", description="Serves the functions of an App over NATS.")
    parser.add_argument("target", metavar="MODULE:APP", help="for example my_package.functions:app")
    parser.add_argument("--pool", required=True)
    parser.add_argument(
        "--nats",
        metavar="URL",
        default=os.environ.get(URL_VARIABLE),
        help=f"one or more servers, separated by commas; default: {URL_VARIABLE}, which other users cannot list",
    )
    parser.add_argument("--creds", metavar="FILE", help="NATS credentials; needs the package nkeys")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--name", help="default: the pool's name and a random part")
    parser.add_argument("--nonce", help="comes back in hello and beats; default: random")
    parser.add_argument("--slots", type=int, default=1, help="calls at once; default 1")
    parser.add_argument("--parent", type=int, metavar="PID", help="die with this process, which must be our parent")
    given = parser.parse_args(argv)
    if not given.nats:
        parser.error(f"--nats or {URL_VARIABLE} is needed")
    if given.slots < 1:
        parser.error("--slots must be at least 1")
    if not re.fullmatch(r"[\w.]+:\w+", given.target):
        parser.error("the target must have the form MODULE:APP")
    return Options(
        target=given.target,
        pool=given.pool,
        urls=[url.strip() for url in given.nats.split(",")],
        creds=given.creds,
        namespace=given.namespace,
        name=given.name or f"{given.pool}-{secrets.token_hex(4)}",
        nonce=given.nonce or secrets.token_hex(8),
        slots=given.slots,
        parent=given.parent,
    )


def load_app(target: str) -> App:
    module_name, _, name = target.partition(":")
    app = getattr(importlib.import_module(module_name), name, None)
    if not isinstance(app, App):
        raise SystemExit(f"{target}: '{name}' in {module_name} is not a troupe_worker App")
    return app
