"""Measures the main-thread time of the stage in a browser, next to the npm package `danmaku`.

    npm install
    python benchmarks/stage/measure.py [--check] [--room http://127.0.0.1:8888/r/bench]

Both engines get the same comments at 1920x1080 in headless Chromium. After the screen has filled,
the CPU time of the main thread (DevTools `Performance.getMetrics`, TaskDuration in thread ticks)
and tasks over 50 ms are counted for `--seconds`; then bounding boxes are sampled for overlaps. With
`--room` the room page of a running server is measured too (its window is larger, so that its stage
is 1920x1080), while this script posts to that room: start the server with `--post-rate 1000
--post-burst 1000`. All figures come from the browser, none from the pages.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import http.server
import json
import pathlib
import random
import statistics
import sys
import threading
import time
import urllib.parse
from typing import Any, ClassVar

from playwright.sync_api import Page, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
COST_LIMIT = 0.4  # of the package's main-thread time per comment
WATCH = """
    window.longTasks = [];
    new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((e) => e.duration)))
        .observe({ type: 'longtask' });
"""
ROOM = """
    window.elements = () => [...document.querySelectorAll('[data-role=stage] [data-role=comment]')];
"""
BOXES = """() => elements().map((element) => element.getBoundingClientRect())
    .map(({left, top, right, bottom}) => [left, top, right, bottom])"""


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    """Serves the repository's files without logging."""

    extensions_map: ClassVar = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests."""


def count_overlaps(boxes: list[list[float]], width: float) -> int:
    """Pairs of boxes that share more than half a pixel both ways, within the picture."""
    visible = [box for box in boxes if box[2] > 0 and box[0] < width]
    return sum(
        min(one[2], two[2]) - max(one[0], two[0]) > 0.5
        and min(one[3], two[3]) - max(one[1], two[1]) > 0.5
        for index, one in enumerate(visible)
        for two in visible[:index]
    )


def post_comments(url: str, rate: float, done: threading.Event) -> None:
    """Posts to the room behind a room page's address, `rate` comments a second on a schedule."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    words = ["哈哈哈", "233333", "前方高能", "lol", "nice one", "666", "泪目", "what a goal", "gg"]
    started, number = time.monotonic(), 0
    while not done.wait(max(0.0, started + number / rate - time.monotonic())):
        number += 1
        text = f"{random.choice(words)}{number % 100 if number % 3 == 0 else ''}"
        body = json.dumps({"text": text, "name": f"viewer {number % 200}"})
        path = f"/api/rooms/{parts.path.rsplit('/', 1)[-1]}/comments"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise SystemExit(f"the server answered {answer.status}; see --help for its flags")


def measure(
    page: Page, *, rate: float, warm_up: float, seconds: float, sampling: float
) -> dict[str, Any]:
    """Wait until the screen has filled, measure main-thread time, then sample boxes."""
    session = page.context.new_cdp_session(page)
    session.send(
        "Performance.enable", {"timeDomain": "threadTicks"}
    )  # CPU time, not affected by other processes

    def metrics() -> dict[str, float]:
        return {
            metric["name"]: metric["value"]
            for metric in session.send("Performance.getMetrics")["metrics"]
        }

    page.wait_for_timeout(warm_up * 1000)
    page.evaluate("longTasks.length = 0")
    before, started = metrics(), time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    after, elapsed = metrics(), time.monotonic() - started
    long_tasks = page.evaluate("longTasks")
    spent = {
        name: after[name] - before[name]
        for name in ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    }
    on_screen, overlaps = [], []
    end = time.monotonic() + sampling
    while time.monotonic() < end:
        boxes = page.evaluate(BOXES)
        on_screen.append(sum(box[2] > 0 and box[0] < 1920 for box in boxes))
        overlaps.append(count_overlaps(boxes, 1920))
        page.wait_for_timeout(100)
    comments = rate * elapsed
    return {
        "main_thread_ms_per_comment": round(spent["TaskDuration"] * 1000 / comments, 3),
        "script_ms_per_comment": round(spent["ScriptDuration"] * 1000 / comments, 3),
        "style_ms_per_comment": round(spent["RecalcStyleDuration"] * 1000 / comments, 3),
        "on_screen_median": statistics.median(on_screen),
        "overlapping_pairs_worst": max(overlaps),
        "samples": len(overlaps),
        "long_tasks_ms": [round(task) for task in long_tasks],
        "dropped": page.evaluate("window.dropped ?? null"),
    }


def find_violations(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return a message for each limit that a result exceeds."""
    violations = []
    limit = COST_LIMIT * results["danmaku"]["main_thread_ms_per_comment"]
    for name, result in results.items():
        if name == "danmaku":
            continue
        if result["main_thread_ms_per_comment"] > limit:
            violations.append(f"{name}: over {limit:.2f} ms of the main thread per comment")
        if result["overlapping_pairs_worst"]:
            violations.append(f"{name}: comments overlap")
        if result["long_tasks_ms"]:
            violations.append(f"{name}: tasks over 50 ms: {result['long_tasks_ms']}")
    return violations


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=40, help="comments a second (40)")
    parser.add_argument(
        "--seconds", type=float, default=15, help="how long main-thread time is counted (15)"
    )
    parser.add_argument("--room", help="address of a room page to measure too")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is exceeded")
    options = parser.parse_args()

    files = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietFiles, directory=str(ROOT))
    )
    threading.Thread(target=files.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{files.server_port}/benchmarks/stage/?rate={options.rate}&engine="
    addresses = {"danmaku": here + "danmaku", "stage": here + "stage"}
    if options.room:
        addresses["room"] = options.room
    results = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, address in addresses.items():
            size = {"width": 1920, "height": 1080}
            if name == "room":  # the stage is what the transcript, the bar and the composer leave
                size = {"width": 1920 + 400, "height": 1080 + 114}
            page = browser.new_page(viewport=size)
            page.add_init_script(WATCH + (ROOM if name == "room" else ""))
            page.goto(address)
            done = threading.Event()
            if name == "room":
                threading.Thread(
                    target=post_comments, args=(address, options.rate, done), daemon=True
                ).start()
            results[name] = measure(
                page, rate=options.rate, warm_up=12, seconds=options.seconds, sampling=5
            )
            done.set()
            print(name, json.dumps(results[name], indent=2), flush=True)
            page.close()
        browser.close()
    files.shutdown()
    for violation in find_violations(results):
        print(violation)
    share = results["stage"]["main_thread_ms_per_comment"]
    share /= results["danmaku"]["main_thread_ms_per_comment"]
    print(f"the stage takes {share:.2f} times the main-thread time of the package")
    return 1 if options.check and find_violations(results) else 0


if __name__ == "__main__":
    sys.exit(main())
