"""Sends the judge's requests over HTTP."""

from __future__ import annotations

from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from chat.judge import REQUESTS_AT_ONCE

TIMEOUT_SECONDS = 0.3
MAX_ANSWER_BYTES = 8 * 1_024
SIGNATURE = "X-Danmaku-Signature"


class JudgeClient:
    """The judge at a URL; each request has a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: SimpleAsyncHTTPClient | None = None

    async def ask(self, body: bytes, signature: str) -> bytes:
        """Return the body of the response; raises HTTPClientError or OSError without one."""
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=REQUESTS_AT_ONCE, max_body_size=MAX_ANSWER_BYTES
            )
        request = HTTPRequest(
            self._url,
            method="POST",
            headers={"Content-Type": "application/json", SIGNATURE: signature},
            body=body,
            connect_timeout=TIMEOUT_SECONDS,
            request_timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
        )
        return (await self._client.fetch(request)).body
