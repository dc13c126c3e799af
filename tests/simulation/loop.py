"""An asyncio event loop with virtual time: one simulated process.

What asyncio promises is kept: callbacks of ``call_soon`` run in their order, and timers in the
order of their times. What it leaves open is chosen by the seed: in which order sockets that are
ready at the same time are handled, whether before or after the timers and the results of threads
that are due in the same iteration, how late a timer is noticed, and how long each callback and each
job of a thread takes.

Threads are modelled by ``run_in_executor``: a job takes effect at one moment and its result arrives
at a later one. A process that is killed in between has stored what it never heard of.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import math
import warnings
from asyncio import events
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from tornado.ioloop import IOLoop
from tornado.platform.asyncio import AsyncIOLoop

from tests.simulation.timeline import Timeline

DEFAULT_WORKERS = 4
LATE_TIMER = 0.02
LATE_SECONDS = 0.08


class Pollable(Protocol):
    """A socket as the loop sees it."""

    def is_readable(self) -> bool: ...

    def is_writable(self) -> bool: ...


class JobTimes(Protocol):
    """How long the jobs of threads take: seconds until the effect, and then until the result."""

    def __call__(self, job: Callable[[], Any]) -> tuple[float, float]: ...


class _Future(asyncio.Future[Any]):
    """A future whose place in a set does not depend on its address."""

    def __init__(self, serial: int, loop: SimulatedLoop) -> None:
        self._serial = serial
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._serial

    __eq__ = object.__eq__


class _Task(asyncio.Task[Any]):
    """A task, likewise."""

    def __init__(self, serial: int, *args: Any, **kwargs: Any) -> None:
        self._serial = serial
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._serial

    __eq__ = object.__eq__


class _TornadoLoop(AsyncIOLoop):
    """Tornado's view of a loop; its time, too, is virtual."""

    def time(self) -> float:
        return self.asyncio_loop.time()


class _Executor:
    """The threads of one executor, and the jobs that wait for one."""

    def __init__(self, workers: int) -> None:
        self.free = workers
        self.waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()


def no_time(_job: Callable[[], Any]) -> tuple[float, float]:
    return 0.0, 0.0


class SimulatedLoop(asyncio.BaseEventLoop):
    """The event loop of one process. ``tick``: how much time each look at the clock takes.

    ``busy``: seconds that a callback takes on average. ``on_error`` is called with what asyncio
    would log.
    """

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        *,
        busy: float = 20e-6,
        tick: float = 1e-6,
        job_times: JobTimes = no_time,
        on_error: Callable[[str], None] = lambda error: None,
    ) -> None:
        super().__init__()
        self.name = name
        self.is_dead = False
        self._timeline = timeline
        self._random = timeline.random.random
        self._busy = busy
        self._tick = tick
        self._spent = 0.0  # in the callback that runs
        self.free_at = 0.0
        self._job_times = job_times
        self._on_error = on_error
        self._serials = itertools.count(1)
        self._left = 0  # callbacks that belong to this iteration
        self._late = 0.0
        self.sockets: dict[int, Pollable] = {}
        self._readers: dict[int, events.Handle] = {}
        self._writers: dict[int, events.Handle] = {}
        # Sockets that may be ready: those that have changed since they were not.
        self._changed: dict[int, None] = {}
        self._results: list[events.Handle] = []
        self._executors: dict[object, _Executor] = {}
        timeline.processes.append(self)
        _TornadoLoop(asyncio_loop=self, make_current=False)

    # --- what BaseEventLoop asks for --------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time, which looking at it moves on a little."""
        if self.is_dead:
            return self._timeline.now
        self._spent += self._tick
        return self._timeline.now + self._spent

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(next(self._serials), self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        serial = next(self._serials)
        return _Task(serial, coro, loop=self, name=name or f"task {serial}", context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.is_dead:
            self._on_error(f"{context.get('message')}: {error!r}")

    def _check_closed(self) -> None:
        # What the destructors of a killed process still ask for is never done.
        if not self.is_dead:
            super()._check_closed()

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError

    def _write_to_self(self) -> None:
        pass

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        pass

    # --- sockets ----------------------------------------------------------------------------------

    def open_socket(self, socket: Pollable) -> int:
        """Give a socket the lowest free number, as the kernel does."""
        number = 10
        while number in self.sockets:
            number += 1
        self.sockets[number] = socket
        return number

    def close_socket(self, number: int) -> None:
        self.sockets.pop(number, None)
        self.remove_reader(number)
        self.remove_writer(number)

    def note_change(self, number: int) -> None:
        """A socket may have become readable or writable."""
        if number in self._readers or number in self._writers:
            self._changed[number] = None

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        self._readers[fd] = events.Handle(callback, args, self)
        self._changed[fd] = None

    def remove_reader(self, fd: Any) -> bool:
        handle = self._readers.pop(fd, None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        self._writers[fd] = events.Handle(callback, args, self)
        self._changed[fd] = None

    def remove_writer(self, fd: Any) -> bool:
        handle = self._writers.pop(fd, None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def _poll(self) -> list[events.Handle]:
        """Return the handlers of the sockets that are ready; those stay to be looked at again."""
        found = []
        for number in list(self._changed):
            socket = self.sockets.get(number)
            reader = self._readers.get(number)
            writer = self._writers.get(number)
            is_ready = False
            if socket is not None:
                if reader is not None and socket.is_readable():
                    found.append(reader)
                    is_ready = True
                if writer is not None and socket.is_writable():
                    found.append(writer)
                    is_ready = True
            if not is_ready:
                del self._changed[number]
        return found

    # --- threads ----------------------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run a job as a thread would: it takes effect some time later, and is heard of later."""
        if isinstance(executor, ThreadPoolExecutor) and executor._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self.create_future()
        threads = self._executors.get(executor)
        if threads is None:
            threads = _Executor(getattr(executor, "_max_workers", DEFAULT_WORKERS))
            self._executors[executor] = threads
        threads.waiting.append((future, lambda: func(*args)))
        self._start_jobs(threads)
        return future

    def _start_jobs(self, threads: _Executor) -> None:
        while threads.free and threads.waiting:
            future, job = threads.waiting.popleft()
            threads.free -= 1
            before, after = self._job_times(job)
            self._timeline.at(
                self._timeline.now + before, self._perform, threads, future, job, after
            )

    def _perform(
        self, threads: _Executor, future: asyncio.Future[Any], job: Callable[[], Any], after: float
    ) -> None:
        if self.is_dead:
            return
        result, error = None, None
        try:
            result = job()
        except Exception as raised:
            error = raised
        self._timeline.record("job", type(error).__name__)
        self._timeline.at(self._timeline.now + after, self._report, threads, future, result, error)

    def _report(
        self, threads: _Executor, future: asyncio.Future[Any], result: Any, error: Any
    ) -> None:
        if self.is_dead:
            return
        threads.free += 1
        self._results.append(events.Handle(_resolve, (future, result, error), self))
        self._start_jobs(threads)

    # --- running ----------------------------------------------------------------------------------

    def ready_at(self) -> float:
        """Return when this process does something next, if nothing happens to it before."""
        if self._ready or self._results or self._changed:
            return self.free_at
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        return max(self.free_at, timers[0]._when + self._late) if timers else math.inf

    @property
    def is_in_iteration(self) -> bool:
        """Whether callbacks of the present iteration are left."""
        return self._left > 0 and not self.is_dead

    def run_one(self) -> None:
        """Run the next callback of this iteration, or begin the next iteration."""
        if not self._left:
            self._begin_iteration()
            if not self._left:
                return
        self._left -= 1
        handle = self._ready.popleft()
        if handle._cancelled:
            return
        self._spent = self._busy * 2 * self._random()
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(None)
        if not self.is_dead:
            self.free_at = self._timeline.now + self._spent
        self._spent = 0.0

    def _begin_iteration(self) -> None:
        """Collect what is ready: FIFO within each source, the sources in any order."""
        timers = self._scheduled
        now = self._timeline.now
        due: list[events.Handle] = []
        while timers and timers[0]._when <= now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                due.append(timer)
        ready = self._poll() if self._changed else []
        results, self._results = self._results, []
        if len(ready) > 1:
            self._timeline.random.shuffle(ready)
        sources = [source for source in (due, ready, results) if source]
        if len(sources) > 1:
            self._timeline.random.shuffle(sources)
        for source in sources:
            self._ready.extend(source)
        self._left = len(self._ready)
        self._late = self._random() * LATE_SECONDS if self._random() < LATE_TIMER else 0.0

    def stall(self, seconds: float) -> None:
        """Do nothing for a while, like a process that is stopped or a machine that swaps."""
        self.free_at = max(self.free_at, self._timeline.now) + seconds

    def end_stall(self) -> None:
        self.free_at = min(self.free_at, self._timeline.now)

    def kill(self) -> None:
        """End the process at once: nothing of it runs any more."""
        self.is_dead = True
        self._timeline.processes.remove(self)
        for socket in list(self.sockets.values()):
            socket.close()  # type: ignore[attr-defined]
        # Also what would run when they are collected: nobody is there to see it.
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        previous = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for task in tasks:
                task._log_destroy_pending = False
                _close(task.get_coro())
        finally:
            events._set_running_loop(previous)
        self._dispose()

    def end(self) -> None:
        """End a process that has finished its work."""
        if not self.is_dead:
            self.is_dead = True
            self._timeline.processes.remove(self)
            self._dispose()

    def _dispose(self) -> None:
        self._ready.clear()
        self._scheduled.clear()
        self._readers.clear()
        self._writers.clear()
        self._changed.clear()
        self._results.clear()
        self._executors.clear()
        self._closed = True
        IOLoop._ioloop_for_asyncio.pop(self, None)


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _close(coroutine: Any) -> None:
    # Whatever it was in the middle of, it is dead.
    with contextlib.suppress(BaseException), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coroutine.close()
