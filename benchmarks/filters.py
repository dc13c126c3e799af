"""How long it takes to check a comment against a long list of filters.

    .venv/bin/python -m benchmarks.filters [--words 50000] [--patterns 20]

Half of the words are Chinese and half English, at random from frequent characters. The time is CPU
time, the median of 30 rounds, and includes folding. None of the comments contains a word.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

from chat.core.moderation.filters import Action, Filter, FilterSet, Match, compile_filters

ROUNDS = 30
CALLS = 200
LETTERS = "etaoinshrdlcumwfgypbvkjxqz"
CHARACTERS = "".join(map(chr, range(0x4E00, 0x4E00 + 3_000)))
COMMENTS = {
    "Chinese": "这球太帅了大家快来看直播吧哈哈今天真的很好",
    "English": "What a goal, my dear friends of the game! ",
    "mixed": "主播 nice 2333 这波操作太强了 lol 666 ",
    "with digits in words": "g00d n1ght 3very0ne, th1s w4s fun! ",
}


def make_words(count: int) -> list[str]:
    """Return words that do not occur in the comments."""
    chance = random.Random(1)
    words: set[str] = set()
    while len(words) < count // 2:
        words.add("".join(chance.choices(LETTERS, k=chance.randint(6, 9))))
    while len(words) < count:
        words.add("".join(chance.choices(CHARACTERS, k=chance.randint(2, 5))))
    return sorted(words)


def measure(call: Callable[[], object]) -> float:
    """Return the CPU time of a call in microseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        times.append((time.process_time() - began) / CALLS)
    return statistics.median(times) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the time to compile the filters, and the time to check each comment."""
    parser = argparse.ArgumentParser(description="How long it takes to check a comment.")
    parser.add_argument("--words", type=int, default=50_000)
    parser.add_argument("--patterns", type=int, default=20)
    options = parser.parse_args(arguments)
    filters = [Filter(Match.WORD, word, Action.MASK) for word in make_words(options.words)]
    filters += [
        Filter(Match.PATTERN, rf"(?i)\bbuy{number}\w*\.(com|net)\b", Action.REJECT)
        for number in range(options.patterns)
    ]
    began = time.process_time()
    compiled = compile_filters(filters)
    seconds = time.process_time() - began
    assert isinstance(compiled, FilterSet)
    print(f"{options.words:,} words and {options.patterns} patterns:", end=" ")
    print(f"compiled in {seconds * 1e3:.0f} ms, {compiled.size / 1e6:.1f} MB")
    for name, comment in COMMENTS.items():
        for length in (20, 100):
            text = (comment * length)[:length].strip()
            # Also warms the tables of characters.
            assert compiled.check(text) is None, text
            print(
                f"{name}, {length} characters: {measure(lambda t=text: compiled.check(t)):.1f} us"
            )


if __name__ == "__main__":
    main()
