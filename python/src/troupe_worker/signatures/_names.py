"""Names with a meaning: to the grammar, to Python, to DSPy. The twin of `packages/signatures/src/names.ts`."""

from __future__ import annotations

import keyword
import re
from typing import Final

SCALARS: Final = ("str", "int", "float", "bool", "None", "Any")
_GENERICS: Final = (
    *("list", "List", "dict", "Dict", "tuple", "Tuple", "set", "Set"),
    *("Optional", "Union", "Literal", "Annotated"),
)
GRAMMAR: Final = frozenset((*SCALARS, *_GENERICS))

TAKEN: Final = frozenset(
    (
        *("append", "append_instructions", "construct", "copy", "delete", "dict", "dump_state", "equals", "fields"),
        *("from_orm", "input_fields", "insert", "instructions", "json", "load_state", "model_computed_fields"),
        *("model_config", "model_construct", "model_copy", "model_dump", "model_dump_json", "model_extra"),
        *("model_fields", "model_fields_set", "model_json_schema", "model_parametrized_name", "model_post_init"),
        *("model_rebuild", "model_validate", "model_validate_json", "model_validate_strings", "mro", "output_fields"),
        *("parse_file", "parse_obj", "parse_raw", "prepend", "register", "schema", "schema_json", "signature"),
        *("update_forward_refs", "validate", "with_instructions", "with_updated_fields"),
        *("config", "demos", "lm", "new_signature", "self"),
    )
)
"""Attributes of `dspy.Signature` and its metaclass, and the arguments that `dspy.Predict` has of its own."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def field_name_fault(name: str) -> str | None:
    """What is wrong with the name of a field; None when nothing is."""
    if keyword.iskeyword(name):
        return "is a keyword of Python"
    if name in TAKEN:
        return "the name is taken by DSPy or pydantic"
    return None if is_name(name) else "a name is a letter, then letters, digits and '_'"


def type_name_fault(name: str) -> str | None:
    """What is wrong with the name of a custom type; None when nothing is."""
    if is_name(name) and name not in GRAMMAR and not keyword.iskeyword(name):
        return None
    return f"'{name}' is no name for a type, or a name the grammar has"
