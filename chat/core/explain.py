"""Finds out why a JSON message could not be decoded: which field is wrong, and what it must be.

The first decoding is strict and fast, and only fails. This module decodes again without types and
checks field by field, so that no error text of msgspec matters. The requirement is derived from a
field's type, unless an annotation ``Meta(description=…)`` describes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct, inspect

from chat.core.reject import Code, Rejection, reject

DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""Everything that msgspec raises for bytes that a peer may send."""

_LONGEST_NAME = 64


def explain(data: bytes, types: Sequence[type[Struct]]) -> Rejection:
    """Return why ``data`` is none of these structs; with more than one, their tags differ."""
    try:
        message = msgspec.json.decode(data)
    except DECODE_ERRORS:
        return reject(Code.BAD_JSON)
    if not isinstance(message, dict):
        return reject(Code.NOT_AN_OBJECT)
    struct = types[0] if len(types) == 1 else _find_by_tag(types, message)
    return reject(Code.UNKNOWN_TYPE) if struct is None else _explain_fields(message, struct)


@cache
def _read_hints(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _find_by_tag(types: Sequence[type[Struct]], message: Mapping[str, Any]) -> type[Struct] | None:
    for struct in types:
        config = struct.__struct_config__
        if message.get(str(config.tag_field)) == config.tag:
            return struct
    return None


def _explain_fields(message: Mapping[str, Any], struct: type[Struct]) -> Rejection:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    hints = _read_hints(struct)
    for name, value in message.items():
        if name not in fields:
            if name == struct.__struct_config__.tag_field:
                continue
            detail = f"{name[:_LONGEST_NAME]} is not a known field"
            return reject(Code.BAD_FIELD, detail=detail)
        hint = hints[fields[name].name]
        try:
            msgspec.convert(value, hint)
        except (msgspec.ValidationError, RecursionError):
            if name == "type":
                return reject(Code.UNKNOWN_TYPE)
            if name == "color":
                return reject(Code.BAD_COLOR)
            return reject(Code.BAD_FIELD, detail=f"{name} must be {_describe(hint)}")
    for name, field in fields.items():
        if field.required and name not in message:
            return reject(Code.MISSING_FIELD, detail=name)
    return reject(Code.BAD_JSON)


def _describe(hint: Any) -> str:
    return _describe_type(inspect.type_info(hint))


def _describe_type(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or _describe_type(inner))
        case inspect.UnionType(types=types):
            kinds = [kind for kind in types if not isinstance(kind, inspect.NoneType)]
            described = " or ".join(_describe_type(kind) for kind in kinds)
            return described if len(kinds) == len(types) else described + ", or null"
        case inspect.StrType(min_length=least, max_length=most):
            return "a string" + _describe_range(least, most, " of {}", " characters")
        case inspect.IntType(ge=least, le=most):
            return "a whole number" + _describe_range(least, most, " {}")
        case inspect.FloatType(ge=least, le=most):
            return "a number" + _describe_range(least, most, " {}")
        case inspect.EnumType(cls=values):
            return "one of " + ", ".join(str(value.value) for value in values)
        case _:
            return "something else"


def _describe_range(least: float | None, most: float | None, form: str, unit: str = "") -> str:
    if most is None:
        return ""
    span = f"at most {most:g}" if least is None else f"from {least:g} to {most:g}"
    if unit and least is not None:
        span = f"{least:g} to {most:g}"
    return form.format(span) + unit
