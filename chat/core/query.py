"""Query parameters: read strictly, by the same rules for WebSocket and for the API."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qs

from chat.core.reject import Code, Rejection, reject

_MAX_PARAMETERS = 20
_LONGEST_NAME = 64


def read_query(raw: str, known: Collection[str]) -> dict[str, str] | Rejection:
    """Return the parameters of a query by name; an empty value counts as absent.

    A name that is not ``known`` is rejected: it is probably misspelt. Of a parameter that is given
    twice, the last one counts.
    """
    if not raw:
        return {}
    try:
        values = parse_qs(
            raw, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        return reject(Code.BAD_REQUEST)
    for name in values:
        if name not in known:
            shown = name[:_LONGEST_NAME].encode("unicode_escape").decode("ascii")
            return reject(Code.BAD_PARAMETER, detail=f"{shown or 'a name'} is not a parameter here")
    return {name: given[-1] for name, given in values.items() if given[-1]}
