"""`python -m troupe_worker.signatures dump module:Class …` prints a JSON array of specs.

For people and builds only: it imports what it is told to, which nothing on the bus can do.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence

import dspy

from .._errors import SignatureRefused
from ._dump import spec_of


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m troupe_worker.signatures", description=__doc__)
    commands = parser.add_subparsers(required=True)
    dump = commands.add_parser("dump", help="print the specs of dspy.Signature classes as a JSON array")
    dump.add_argument("targets", nargs="+", metavar="module:Class")
    targets: list[str] = parser.parse_args(argv).targets
    specs: list[object] = []
    faults: list[str] = []
    for target in targets:
        try:
            specs.append(spec_of(_load(target)))
        except SignatureRefused as error:
            faults.append(_line(f"{target}: {error}"))
        except (Exception, SystemExit) as error:  # whatever a module does while it is imported
            faults.append(_line(f"{target}: {type(error).__name__}: {error}"))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(json.dumps(specs, indent=2, ensure_ascii=False))
    return 2 if faults else 0


def _line(text: str) -> str:
    return " ".join(text.split())


def _load(target: str) -> type[dspy.Signature]:
    module_name, colon, path = target.partition(":")
    if not colon or not path:
        raise SignatureRefused("expected module:Class")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: object = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SignatureRefused(str(error)) from error
    if not isinstance(found, type) or not issubclass(found, dspy.Signature):
        raise SignatureRefused(f"{found!r} is no dspy.Signature")
    return found


if __name__ == "__main__":
    sys.exit(main())
