"""`python -m troupe_worker MODULE:APP --pool P --nats URL`. The order of the steps is the point of this file:

1. environment, before anything reads it;
2. death with the parent, before anything can block;
3. the sidecar, while there is one thread and little memory to share;
4. the application's imports, which may take seconds: the sidecar beats "starting" meanwhile;
5. the event loop.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any

from ._environment import prepare
from ._lifeline import die_with, take_stdin
from ._options import Options, load_app, parse_options
from ._page import Page, shared_page
from ._presence import Identity
from ._raw_nats import Credentials
from ._sidecar import Sidecar, start_sidecar
from ._subjects import Subjects


def main() -> int:
    options = parse_options()
    prepare(os.environ)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if options.creds and importlib.util.find_spec("nkeys") is None:
        raise SystemExit("--creds needs the package nkeys: pip install 'troupe-worker[creds]'")
    stdin = None
    if options.parent is not None:
        die_with(options.parent)
        stdin = take_stdin()
    identity = Identity.of_this_process(options.pool, options.name, options.nonce, options.slots)
    page = shared_page()
    sidecar = _sidecar(options, identity, page, stdin)
    app = load_app(options.target)

    from ._worker import Worker  # imports the NATS client, which the sidecar does without

    async def serve() -> int:
        return await Worker(app, options, identity, page, sidecar).run()

    return _run(serve())


def _sidecar(options: Options, identity: Identity, page: Page, stdin: int | None) -> Sidecar | None:
    if sys.platform != "linux":
        return None
    subject = Subjects(options.namespace, options.pool, options.name).presence
    credentials = Credentials.load(options.creds) if options.creds else None
    return start_sidecar(page, identity, subject, options.urls, credentials, stdin)


def _run(work: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as wanted:
        code = wanted.code if isinstance(wanted.code, int) else 1
        if isinstance(wanted.code, str):
            print(wanted.code, file=sys.stderr)
    except BaseException:
        logging.exception("the worker could not start or has failed")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that would not stop must not keep us
