"""A judge: decides on each comment before the server stores it. Start it, then the server with it:

    python examples/judge.py 9000 "$SECRET"
    danmaku --judge-url http://127.0.0.1:9000/ --judge-secret "$SECRET"

The secret has at least 32 bytes. This needs only the standard library. Put your own rules into
``decide``, which has 300 ms for each comment.
"""

import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def decide(comment: dict) -> dict:
    """Return what happens to a comment: it has room, user, name, text and at."""
    text = comment["text"]
    if "casino" in text.lower():
        return {"action": "reject"}
    if "darn" in text.lower():
        return {"action": "mask", "text": text.lower().replace("darn", "****")}
    if text.isupper() and len(text) > 20:
        return {"action": "hold"}
    return {"action": "allow"}


class Handler(BaseHTTPRequestHandler):
    """Answers the server's requests; ``secret`` is set below."""

    secret = b""

    def do_POST(self) -> None:
        """Check that the request comes from the server, and answer it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(self.headers.get("X-Danmaku-Signature", ""), expected):
            self.send_error(403, "the signature is wrong")
            return
        answer = json.dumps(decide(json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        """Log no texts."""


class Server(ThreadingHTTPServer):
    """Lets many requests of a moment wait until they are accepted."""

    request_queue_size = 128


if __name__ == "__main__":
    port, Handler.secret = int(sys.argv[1]), sys.argv[2].encode()
    server = Server(("127.0.0.1", port), Handler)
    print(f"judging at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
