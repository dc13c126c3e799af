"""Measures what the stage costs the browser's main thread, beside the npm package `danmaku`.

    npm install
    python benchmarks/stage/measure.py [--room http://127.0.0.1:8888/r/bench]

Both engines get the same comments at 1920x1080 in headless Chromium. After the screen has filled,
the main thread's processor time (DevTools `Performance.getMetrics`, TaskDuration in thread ticks)
is counted for `--seconds`, and tasks over 50 ms with it; then bounding boxes are sampled for
overlaps. With `--room` the whole room page of a running server is measured too, while this script
posts to that room. It reads the browser's numbers only, never the pages' own.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import pathlib
import statistics
import sys
import threading
import time
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
BOXES = """() => elements().map((element) => element.getBoundingClientRect())
    .map(({left, top, right, bottom}) => [left, top, right, bottom])"""


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    """Serves the repository's files and says nothing."""

    extensions_map: ClassVar = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


def count_overlaps(boxes: list[list[float]], width: float) -> int:
    """Pairs of boxes that share more than half a pixel both ways, within the picture."""
    visible = [box for box in boxes if box[2] > 0 and box[0] < width]
    return sum(
        min(one[2], two[2]) - max(one[0], two[0]) > 0.5
        and min(one[3], two[3]) - max(one[1], two[1]) > 0.5
        for index, one in enumerate(visible)
        for two in visible[:index]
    )


def measure(
    page: Page, *, rate: float, warm_up: float, seconds: float, sampling: float
) -> dict[str, Any]:
    """Lets the page fill, counts main-thread time, then samples boxes."""
    session = page.context.new_cdp_session(page)
    session.send(
        "Performance.enable", {"timeDomain": "threadTicks"}
    )  # processor time: a busy neighbour does not count

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=40, help="comments a second (40)")
    parser.add_argument(
        "--seconds", type=float, default=15, help="how long main-thread time is counted (15)"
    )
    parser.add_argument(
        "--engines", default="danmaku,stage", help="which engines, in this order (danmaku,stage)"
    )
    options = parser.parse_args()

    files = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietFiles, directory=str(ROOT))
    )
    threading.Thread(target=files.serve_forever, daemon=True).start()
    results = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for engine in options.engines.split(","):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(
                f"http://127.0.0.1:{files.server_port}/benchmarks/stage/?engine={engine}&rate={options.rate}"
            )
            page.wait_for_function("window.ready")
            results[engine] = measure(
                page, rate=options.rate, warm_up=10, seconds=options.seconds, sampling=5
            )
            print(engine, json.dumps(results[engine], indent=2), flush=True)
            page.close()
        browser.close()
    files.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
