"""What blocks an event loop and what does not: python examples/tornado_basics.py

All requests share one thread. While a handler computes or sleeps in it, nobody else is answered;
while a handler awaits, everybody is. Open / in one tab, another address in a second one, and see.
This is why the danmaku server never blocks its loop: one slow call would hold up every viewer.
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
    """Stand for any function that takes its time: a query, a file, an old library."""
    time.sleep(seconds)
    return "Hello"


class Basic(RequestHandler):
    """What the handlers share: ``wait`` is how many seconds the slow things take."""

    def initialize(self, wait: float) -> None:
        self.wait = wait
        self.set_header("Content-Type", "text/plain; charset=utf-8")


class Now(Basic):
    """``/`` answers at once, whenever the loop is free to."""

    def get(self) -> None:
        self.finish(f"It is {datetime.now():%Y-%m-%d %H:%M:%S}.\n")


class Sync(Basic):
    """``/sync`` blocks: the loop stands still, and ``/`` does not answer until this is over."""

    def get(self) -> None:
        self.finish(f"{work_slowly(self.wait)} from a handler that blocked everybody.\n")


class Async(Basic):
    """``/async`` waits as long and blocks nobody: at ``await`` the loop serves the others."""

    async def get(self) -> None:
        await asyncio.sleep(self.wait)
        self.finish("Hello from a handler that waited and blocked nobody.\n")


class Executor(Basic):
    """``/executor`` runs the blocking function in a thread, and awaits the thread."""

    async def get(self) -> None:
        loop = asyncio.get_running_loop()
        hello = await loop.run_in_executor(None, work_slowly, self.wait)
        self.finish(f"{hello} from a thread, while the loop was free.\n")


class Parallel(Basic):
    """``/parallel`` awaits three things at once: as long as the longest, not as their sum."""

    async def get(self) -> None:
        begin = time.monotonic()
        await asyncio.gather(*(asyncio.sleep(self.wait) for _ in range(3)))
        took = time.monotonic() - begin
        self.finish(f"Three waits of {self.wait:g} s took {took:.1f} s together.\n")


class Background(Basic):
    """``/background`` begins a job and answers at once; ask again to hear how the job goes."""

    def initialize(self, wait: float, jobs: list[asyncio.Task[None]]) -> None:
        super().initialize(wait)
        self.jobs = jobs  # somebody has to hold a task: the loop alone does not keep it alive

    def get(self) -> None:
        if not self.jobs:
            self.jobs.append(asyncio.create_task(asyncio.sleep(self.wait)))
            self.finish("The job has begun.\n")
        elif not self.jobs[0].done():
            self.finish("The job is at work.\n")
        else:
            self.jobs.clear()
            self.finish("The job is done.\n")


class Fetch(Basic):
    """``/fetch`` asks another address over HTTP without blocking; here it is our own /async."""

    def initialize(self, wait: float, address: str) -> None:
        super().initialize(wait)
        self.address = address

    async def get(self) -> None:
        # The client gives up after 20 seconds of its own accord.
        answer = await AsyncHTTPClient().fetch(self.address)
        self.finish(f"{self.address} said: {answer.body.decode()}")


async def serve(port: int, wait: float) -> None:
    """Listen on a port, any free one for 0, until the program ends."""
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
    print(f"Open {here}/ - Ctrl-C stops.", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What blocks an event loop and what does not.")
    parser.add_argument("--port", type=int, default=9819, help="0 takes a free one (%(default)s)")
    parser.add_argument("--wait", type=float, default=3, help="seconds of waiting (%(default)g)")
    flags = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(flags.port, flags.wait))
