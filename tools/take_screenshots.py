"""Take screenshots of the pages, from a running server with comments in a room.

Those for the READMEs are written to ``docs/images``, all others to ``build/screenshots``.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chat.client import Client
from chat.core.comment import Mode, Size

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
OTHERS = ROOT / "build" / "screenshots"
SIZES = {"1920": (1920, 1080), "1280": (1280, 800), "390": (390, 844)}
PAGES = {"lobby": "/", "room": "/r/demo", "empty": "/r/quiet-corner", "overlay": "/r/demo/overlay"}
README = {("room", "1280", "dark", "en"): "room.png", ("room", "1280", "dark", "zh"): "room-zh.png"}
LIVELY_SECONDS = 7

WORDS = {
    "demo": [
        "hello from the back row", "前排！", "233333", "what a save!", "这也太强了吧", "let's gooo",
        "first time here, hi all", "名场面", "hahaha", "好听！", "hi from Lisbon", "来了来了",
        "that transition was so clean", "高能预警", "❤️", "is this live?", "哈哈哈哈哈哈", "👏👏👏",
        "the sound is great tonight", "泪目", "rewind please", "求歌名", "bravo!", "awsl",
        "who else is up at 3 am", "字幕组辛苦了", "never gets old", "爷青回", "beautiful light",
    ],
    "music": ["encore!", "再来一首", "that bass line", "so good", "好听到循环"],
    "lounge": ["good evening", "晚上好", "tea time", "what are we watching next?"],
}  # fmt: skip
NAMES = ["Otter", "小明", "Mika", "夜猫子", "Jonas", "阿狸", "Priya", "路人甲", "Sam", "云朵"]
COLORS = ["#ffffff"] * 6 + ["#ffd166", "#06d6a0", "#4cc9f0", "#ff6b9d", "#b388ff"]


@asynccontextmanager
async def serve() -> AsyncIterator[str]:
    """Run a server that keeps nothing, and yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "server.py"), "--port", "0", "--database", "sqlite://",
        "--post-rate", "0", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    found = re.search(r"http://[\d.:]+", line)
    assert found, line
    try:
        yield found[0]
    finally:
        process.terminate()
        await process.wait()


async def chatter(url: str, room: str, rate: float) -> None:
    """Post comments in a room until cancelled."""
    dice = random.Random(room)
    address = f"{url.replace('http', 'ws')}/ws/{room}"
    async with Client(address, name="Host") as first:
        people = [first]
        for name in NAMES:
            people.append(await Client(address, name=name).__aenter__())
        for text in itertools.cycle(WORDS[room]):
            mode = dice.choices(list(Mode), [12, 1, 1])[0]
            size = dice.choices(list(Size), [1, 8, 1])[0]
            await dice.choice(people).post(text, mode=mode, color=dice.choice(COLORS), size=size)
            await asyncio.sleep(dice.expovariate(rate))


async def take(browser: Browser, url: str, page: str, size: str, theme: str, lang: str) -> None:
    """Take one picture."""
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        locale={"en": "en-GB", "zh": "zh-CN"}[lang],
    )
    tab = await context.new_page()
    await tab.goto(url + PAGES[page])
    await tab.wait_for_timeout(LIVELY_SECONDS * 1000)
    name = README.get((page, size, theme, lang))
    path = IMAGES / name if name else OTHERS / f"{page}-{size}-{theme}-{lang}.png"
    await tab.screenshot(path=path)
    await context.close()
    print(path.relative_to(ROOT))


async def main() -> None:
    """Take all."""
    OTHERS.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:]
    async with serve() as url, async_playwright() as playwright:
        talk = [
            asyncio.create_task(chatter(url, room, rate))
            for room, rate in (("demo", 5.0), ("music", 1.0), ("lounge", 0.5))
        ]
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for page, size, theme, lang in itertools.product(
            PAGES, SIZES, ("dark", "light"), ("en", "zh")
        ):
            if not chosen or f"{page}-{size}-{theme}-{lang}".startswith(tuple(chosen)):
                await take(browser, url, page, size, theme, lang)
        await browser.close()
        for task in talk:
            task.cancel()
        await asyncio.gather(*talk, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
