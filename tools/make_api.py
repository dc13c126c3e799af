"""Write docs/api.yaml, the OpenAPI description of the HTTP API, from the types of the server.

    .venv/bin/python tools/make_api.py

Run it after a change of the API. A test compares the file with what this makes, and schemathesis
compares it with a running server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chat.core import requests, responses
from chat.core.entry import AnyEntry
from chat.core.moderation.acts import Act
from chat.core.room_settings import RoomSettings, SettingsPatch, Shield
from chat.web.api import MAX_PAGE, MAX_POLLER_LENGTH, MAX_WAIT, PAGE_DEFAULT, ROOMS_DEFAULT
from chat.web.moderation.log import LINES, LOG_DEFAULT, MAX_LOG, MAX_NUMBER
from chat.web.room_list import MAX_ROOMS

FILE = Path(__file__).resolve().parents[1] / "docs" / "api.yaml"
JSON = "application/json"
REFERENCE = "#/components/schemas/{name}"

INTRODUCTION = """\
The HTTP API of a danmaku server. docs/protocol.md describes reading and posting, and WebSocket;
docs/moderation.md what moderators do; docs/identity.md the tokens. Errors have the body `Failure`;
docs/protocol.md lists their codes.

This file is made by tools/make_api.py from the types that the server uses."""

# Fields that the server keeps as encoded JSON, and what is in them.
ENCODED = {
    ("Page", "entries"): {"type": "array", "items": {"$ref": REFERENCE.format(name="Entry")}},
    ("RoomCard", "last"): {"type": "array", "items": {"$ref": REFERENCE.format(name="Entry")}},
    ("UserCard", "comments"): {"type": "array", "items": {"$ref": REFERENCE.format(name="Entry")}},
    ("RoomList", "rooms"): {"type": "array", "items": {"$ref": REFERENCE.format(name="RoomCard")}},
    ("RoomInfo", "settings"): {"$ref": REFERENCE.format(name="RoomSettings")},
    ("Log", "log"): {"type": "array", "items": {"$ref": REFERENCE.format(name="Act")}},
}

ROOM = {
    "name": "room",
    "in": "path",
    "required": True,
    "description": "The room's name.",
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"},
}
NUMBER = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}
MODERATOR = "Needs a moderator's or host's token."
HOST = "Needs a host's token."


def parameter(
    name: str, description: str, schema: dict[str, Any], place: str = "query"
) -> dict[str, Any]:
    """Return a parameter; those in the path are required."""
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, "description": description, "schema": schema}


def number(description: str, least: int, most: int, default: int | None = None) -> dict[str, Any]:
    """Return the schema of a whole number in the query."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return schema | ({} if default is None else {"default": default})


SEQ = parameter("seq", "The comment's seq.", NUMBER, "path")
ID = parameter("id", "The number of the act.", NUMBER, "path")
USER = parameter("user", "The user's id.", {"type": "string", "minLength": 1}, "path")


def operation(
    name: str,
    summary: str,
    answers: dict[int, type | None],
    *,
    body: type | None = None,
    may_be_empty: bool = False,
    parameters: tuple[dict[str, Any], ...] = (),
    who: str = "",
) -> dict[str, Any]:
    """Return an operation. ``who``: whose token it needs; otherwise a token is optional."""
    made: dict[str, Any] = {"operationId": name, "summary": summary}
    if who:
        made["description"] = who
    made["security"] = [{"token": []}] if who else [{}, {"token": []}]
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        content = {JSON: {"schema": {"$ref": REFERENCE.format(name=body.__name__)}}}
        made["requestBody"] = {"required": not may_be_empty, "content": content}
    made["responses"] = {
        str(status): {"description": describe(answer)}
        | ({} if answer is None else {"content": content_of(answer)})
        for status, answer in answers.items()
    }
    for errors in ("4XX", "5XX"):
        made["responses"][errors] = {"$ref": "#/components/responses/Error"}
    return made


def describe(answer: type | None) -> str:
    """Return the first sentence of a type's docstring."""
    if answer is None:
        return "Done."
    return " ".join((answer.__doc__ or "").split("\n\n")[0].split())


def content_of(answer: type) -> dict[str, Any]:
    """Return the media types of an answer."""
    content: dict[str, Any] = {JSON: {"schema": {"$ref": REFERENCE.format(name=answer.__name__)}}}
    if answer is responses.Log:
        content[LINES] = {"schema": {"type": "string"}}
    return content


CURSOR = {"type": "string", "pattern": "^([0-9a-z]{1,32}:(0|[1-9][0-9]{0,17}))?$"}
PATHS: dict[str, dict[str, Any]] = {
    "/api/rooms": {
        "get": operation(
            "listRooms",
            "The live rooms, most viewers first.",
            {200: responses.RoomList},
            parameters=(
                parameter("limit", "How many at most.", number("", 1, MAX_ROOMS, ROOMS_DEFAULT)),
            ),
        )
    },
    "/api/session": {
        "post": operation(
            "createSession",
            "Become a guest.",
            {201: responses.Guest},
            body=requests.GuestRequest,
            may_be_empty=True,
        )
    },
    "/api/rooms/{room}": {
        "get": operation("readRoom", "The state of a room.", {200: responses.RoomInfo})
    },
    "/api/rooms/{room}/entries": {
        "get": operation(
            "readEntries",
            "The next entries after a cursor; with `wait`, as soon as there is one.",
            {200: responses.Page},
            parameters=(
                parameter("after", "The cursor, `epoch:seq`.", CURSOR),
                parameter(
                    "wait",
                    "Seconds to wait for an entry.",
                    {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0},
                ),
                parameter("limit", "How many.", number("", 1, MAX_PAGE, PAGE_DEFAULT)),
                parameter(
                    "poller",
                    "A random id: all polls with it count as one viewer.",
                    {"type": "string", "maxLength": MAX_POLLER_LENGTH},
                ),
            ),
        )
    },
    "/api/rooms/{room}/comments": {
        "post": operation(
            "postComment",
            "Post a comment.",
            {201: responses.Posted, 202: responses.PostHeld},
            body=requests.HttpPost,
        )
    },
    "/api/rooms/{room}/comments/{seq}": {
        "delete": operation(
            "retractComment",
            "Remove a comment.",
            {200: responses.Done},
            body=requests.RetractRequest,
            may_be_empty=True,
            parameters=(SEQ,),
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/clear": {
        "post": operation(
            "clearRoom",
            "Remove all comments that the room has now, or those of one user.",
            {200: responses.Done},
            body=requests.ClearRequest,
            may_be_empty=True,
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/sanctions": {
        "get": operation(
            "listSanctions", "The sanctions in force.", {200: responses.SanctionList}, who=MODERATOR
        ),
        "post": operation(
            "sanctionUser",
            "Keep a user from posting.",
            {201: responses.Sanction},
            body=requests.SanctionRequest,
            who=MODERATOR,
        ),
    },
    "/api/rooms/{room}/sanctions/{id}": {
        "delete": operation(
            "liftSanction", "End a sanction.", {204: None}, parameters=(ID,), who=MODERATOR
        )
    },
    "/api/rooms/{room}/filters": {
        "get": operation(
            "readFilters",
            "The room's filters.",
            {200: requests.FiltersRequest},
            parameters=(
                parameter("before", "Those in force before an act.", number("", 1, MAX_NUMBER)),
            ),
            who=HOST,
        ),
        "put": operation(
            "replaceFilters",
            "Replace the room's filters.",
            {200: responses.FiltersChanged},
            body=requests.FiltersRequest,
            who=HOST,
        ),
    },
    "/api/rooms/{room}/filters/try": {
        "post": operation(
            "tryFilters",
            "What the filters would do with a text.",
            {200: responses.Tried},
            body=requests.TryRequest,
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/held": {
        "get": operation(
            "listHeld",
            "The comments that wait for a moderator.",
            {200: responses.HeldList},
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/held/{id}": {
        "post": operation(
            "decideHeld",
            "Approve a held comment, or not.",
            {200: responses.DecisionDone},
            body=requests.DecisionRequest,
            parameters=(ID,),
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/reports": {
        "get": operation(
            "listReports",
            "The comments that users have reported.",
            {200: responses.ReportList},
            who=MODERATOR,
        ),
        "post": operation(
            "reportComment",
            "Report a comment to the moderators.",
            {204: None},
            body=requests.ReportRequest,
        ),
    },
    "/api/rooms/{room}/reports/{seq}": {
        "delete": operation(
            "dismissReports",
            "Dismiss the reports on a comment.",
            {204: None},
            parameters=(SEQ,),
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/settings": {
        "patch": operation(
            "changeSettings",
            "Change the room's settings.",
            {200: responses.SettingsChanged},
            body=SettingsPatch,
            who=HOST,
        )
    },
    "/api/rooms/{room}/shield": {
        "post": operation(
            "raiseShield",
            "Put strict rules over the room's own.",
            {200: responses.SettingsChanged},
            body=Shield,
            may_be_empty=True,
            who=HOST,
        ),
        "delete": operation(
            "lowerShield", "Remove the shield.", {200: responses.SettingsChanged}, who=HOST
        ),
    },
    "/api/rooms/{room}/users/{user}": {
        "get": operation(
            "readUser",
            "Who a user is that posted in the room.",
            {200: responses.UserCard},
            parameters=(USER,),
            who=MODERATOR,
        )
    },
    "/api/rooms/{room}/log": {
        "get": operation(
            "readLog",
            "What moderators and hosts did.",
            {200: responses.Log},
            parameters=(
                parameter(
                    "after",
                    "The acts after this one; without it the newest.",
                    number("", 0, MAX_NUMBER),
                ),
                parameter("limit", "How many.", number("", 1, MAX_LOG, LOG_DEFAULT)),
                parameter("format", "`jsonl`: a line for each.", {"enum": ["json", "jsonl"]}),
            ),
            who=MODERATOR,
        )
    },
}


def make_schemas() -> dict[str, Any]:
    """Return the schemas of all bodies, by name."""
    structs = [
        one
        for module in (requests, responses)
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, msgspec.Struct)
        and one.__module__ == module.__name__
    ]
    types = [AnyEntry, Act, RoomSettings, SettingsPatch, Shield, *structs]
    (entry, act, *_), schemas = msgspec.json.schema_components(types, ref_template=REFERENCE)
    schemas |= {"Entry": entry, "Act": act}
    for (name, field), schema in ENCODED.items():
        schemas[name]["properties"][field] = schema
    used = dict(sorted(schemas.items()))
    for schema in used.values():
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    return used


def make_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    failure = {JSON: {"schema": {"$ref": REFERENCE.format(name="Failure")}}}
    for path, operations in PATHS.items():
        if "{room}" in path:
            operations["parameters"] = [ROOM]
    return {
        "openapi": "3.1.0",
        "info": {"title": "danmaku", "version": "1", "description": INTRODUCTION},
        "paths": PATHS,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "responses": {"Error": {"description": "Why it was not done.", "content": failure}},
            "schemas": make_schemas(),
        },
    }


def render() -> str:
    """Return the text of the file."""
    return yaml.safe_dump(make_document(), sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    FILE.write_text(render())
