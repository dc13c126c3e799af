"""What blocks an event loop and what does not: python examples/tornado_basics.py

All requests share one thread. While a handler computes or sleeps, no other request is processed;
while a handler awaits, others are. To see this, open / in one tab and another address in a second.
This is why the danmaku server never blocks its loop: one slow call would delay every viewer.
"""

import argparse
import asyncio
import contextlib
import time
from datetime import datetime

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, url


def work_slowly(seconds: float) -> str:
    """A blocking function, such as a query, reading a file, or a synchronous library."""
    time.sleep(seconds)
    return "Hello"


class Basic(RequestHandler):
    """The base class of the handlers; slow operations take ``wait`` seconds."""

    def initialize(self, wait: float) -> None:
        self.wait = wait
        self.set_header("Content-Type", "text/plain; charset=utf-8")


class Now(Basic):
    """``/`` responds immediately, if the loop is free."""

    def get(self) -> None:
        self.finish(f"It is {datetime.now():%Y-%m-%d %H:%M:%S}.\n")


class Sync(Basic):
    """``/sync`` blocks the loop: ``/`` does not respond until this has finished."""

    def get(self) -> None:
        self.finish(f"{work_slowly(self.wait)} from a handler that blocked all others.\n")


class Async(Basic):
    """``/async`` waits as long without blocking: at ``await`` the loop serves other requests."""

    async def get(self) -> None:
        await asyncio.sleep(self.wait)
        self.finish("Hello from a handler that waited without blocking.\n")


class Executor(Basic):
    """``/executor`` runs the blocking function in a thread and awaits its result."""

    async def get(self) -> None:
        loop = asyncio.get_running_loop()
        hello = await loop.run_in_executor(None, work_slowly, self.wait)
        self.finish(f"{hello} from a thread, while the loop was free.\n")


class Parallel(Basic):
    """``/parallel`` awaits three operations at once, which takes as long as the longest of them."""

    async def get(self) -> None:
        begin = time.monotonic()
        await asyncio.gather(*(asyncio.sleep(self.wait) for _ in range(3)))
        took = time.monotonic() - begin
        self.finish(f"Three waits of {self.wait:g} s took {took:.1f} s together.\n")


class Background(Basic):
    """``/background`` starts a job and responds at once; request it again for the job's state."""

    def initialize(self, wait: float, jobs: list[asyncio.Task[None]]) -> None:
        super().initialize(wait)
        self.jobs = jobs  # keep a reference: the event loop holds tasks only weakly

    def get(self) -> None:
        if not self.jobs:
            self.jobs.append(asyncio.create_task(asyncio.sleep(self.wait)))
            self.finish("The job has started.\n")
        elif not self.jobs[0].done():
            self.finish("The job is running.\n")
        else:
            self.jobs.clear()
            self.finish("The job is done.\n")


class Fetch(Basic):
    """``/fetch`` makes an HTTP request without blocking; here to this server's own /async."""

    def initialize(self, wait: float, address: str) -> None:
        super().initialize(wait)
        self.address = address

    async def get(self) -> None:
        # The client times out after 20 seconds by default.
        response = await AsyncHTTPClient().fetch(self.address)
        self.finish(f"{self.address} responded: {response.body.decode()}")


async def serve(port: int, wait: float) -> None:
    """Serve on a port (0: any free one) until the program is stopped."""
    sockets = bind_sockets(port, "127.0.0.1")
    here = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    slow = {"wait": wait}
    application = Application(
        [
            url("/", Now, slow),
            url("/sync", Sync, slow),
            url("/async", Async, slow),
            url("/executor", Executor, slow),
            url("/parallel", Parallel, slow),
            url("/background", Background, {**slow, "jobs": []}),
            url("/fetch", Fetch, {**slow, "address": f"{here}/async"}),
        ]
    )
    HTTPServer(application).add_sockets(sockets)
    print(f"Open {here}/ - press Ctrl-C to stop.", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What blocks an event loop and what does not.")
    parser.add_argument(
        "--port", type=int, default=9819, help="0 picks a free port (default: %(default)s)"
    )
    parser.add_argument(
        "--wait", type=float, default=3, help="seconds to wait (default: %(default)g)"
    )
    flags = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(flags.port, flags.wait))
