"""Signatures as data: what TypeScript and Python agree on by hash, and `dspy.Signature` classes of it.

cls = signature_of(spec)            # never from text: types come from a table
spec = spec_of(cls)                 # of any class, also a hand-written one
values = check_inputs(cls, values)  # plain data of the wire, every issue with its path

$ python -m troupe_worker.signatures dump my_module:Triage
"""

from .._errors import SignatureRefused
from ._build import signature_of
from ._check import check_inputs, check_outputs, json_schema_of
from ._dump import spec_of
from ._spec import JsonSchema, Spec, SpecField, parse_spec

__all__ = [
    "JsonSchema",
    "SignatureRefused",
    "Spec",
    "SpecField",
    "check_inputs",
    "check_outputs",
    "json_schema_of",
    "parse_spec",
    "signature_of",
    "spec_of",
]
