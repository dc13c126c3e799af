"""The load tester's command line: options in, tables (and files) out, exit status 0, 1 or 2."""

from __future__ import annotations

import sys
from pathlib import Path

from chat.loadtest.options import UsageError, read_arguments

MISSING_PART = "The load tester needs {}: pip install 'danmaku-live[report]', or pip install {}."


def main(arguments: list[str] | None = None) -> int:
    """Run one load test as the arguments say, and return the exit status."""
    try:
        invocation = read_arguments(sys.argv[1:] if arguments is None else arguments)
        for file in (invocation.json, invocation.report):
            check_writable(file)
        if invocation.report:
            import matplotlib  # noqa: F401  (better missed now than after the test)
        from rich.console import Console

        from chat.loadtest.coordinator import Coordinator, WorkerLost
        from chat.loadtest.display import Display, print_report
    except UsageError as problem:
        print(problem, file=sys.stderr)
        return 2
    except ModuleNotFoundError as problem:
        print(MISSING_PART.format(problem.name, problem.name), file=sys.stderr)
        return 2
    console = Console()
    try:
        with Display(console) as display:
            report = Coordinator(invocation.options, display).run()
    except UsageError as problem:
        print(problem, file=sys.stderr)
        return 2
    except WorkerLost as problem:
        print(f"No figures: {problem}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Given up: nothing was measured.", file=sys.stderr)
        return 1
    print_report(console, report)
    if invocation.json:
        Path(invocation.json).write_bytes(report.to_json())
    if invocation.report:
        from chat.loadtest.page import draw_page

        Path(invocation.report).write_text(draw_page(report), encoding="utf-8")
    return report.exit_code


def check_writable(file: str | None) -> None:
    """Better before the test than after it. Raises UsageError."""
    if file is None:
        return
    path = Path(file)
    is_new = not path.exists()
    try:
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as problem:
        raise UsageError(f"{file} cannot be written: {problem.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
