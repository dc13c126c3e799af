"""docs/api.yaml describes the HTTP API: every route, and what a running server answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from chat.core.comment import Role
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tools.make_api import FILE, render

EXAMPLES = 40

description: dict[str, Any] = yaml.safe_load(FILE.read_text())
schema = schemathesis.openapi.from_dict(description)


def test_description_is_current() -> None:
    assert FILE.read_text() == render(), "run tools/make_api.py"


def test_description_has_every_route() -> None:
    source = (Path(__file__).resolve().parents[2] / "chat/web/routes.py").read_text()
    routes = re.findall(r'url\(rf"\{base\}(/api/[^"]*)"', source)
    assert routes
    described = {re.sub(r"\{\w+\}", "{name}", path) for path in description["paths"]}
    assert described == set(routes)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_server_answers_as_described(case: Any, server: ServerProcess) -> None:
    token = sign_token(server, "*", Role.HOST)
    if case.operation.path.endswith("/entries"):
        case.query = {**(case.query or {}), "wait": 0}
    case.call_and_validate(
        base_url=server.url,
        headers={"Authorization": f"Bearer {token}"},
        # A text that is only spaces, a room that does not exist: the schema cannot say these.
        excluded_checks=[positive_data_acceptance],
    )
