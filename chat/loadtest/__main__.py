"""The load tester's command line. Exit status: 0, 1 for a fault found, 2 for a wrong command."""

from __future__ import annotations

import sys
from pathlib import Path

from chat.loadtest.options import UsageError, read_arguments
from chat.loadtest.schedule import foresee_rejections


def main() -> int:
    """Run one load test, print its figures, and return the exit status."""
    try:
        return run_command(sys.argv[1:])
    except ModuleNotFoundError as problem:
        command = "pip install 'danmaku-live[loadtest]'"
        print(f"The load tester needs {problem.name}: {command}", file=sys.stderr)
    except UsageError as problem:
        print(problem, file=sys.stderr)
    return 2


def run_command(arguments: list[str]) -> int:
    """Run the test for `main`. Raises UsageError."""
    options, json, html = read_arguments(arguments)
    for name in filter(None, (json, html)):
        check_writable(Path(name))
    from rich.console import Console

    from chat.loadtest.console import LiveDisplay, print_report
    from chat.loadtest.coordinator import Coordinator, WorkerLost
    from chat.loadtest.html_report import render_report

    console = Console()
    if sentence := foresee_rejections(options):
        console.print(f"! {sentence}", style="yellow")
    try:
        with (display := LiveDisplay(console)):
            report = Coordinator(options, display.show).run()
    except WorkerLost as problem:
        print(f"No figures: {problem}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted before anything was measured.", file=sys.stderr)
        return 1
    print_report(console, report)
    if json:
        Path(json).write_bytes(report.to_json())
    if html:
        Path(html).write_bytes(render_report(report))
    return report.exit_code


def check_writable(file: Path) -> None:
    """Raise UsageError before the test, rather than lose its figures after it."""
    is_new = not file.exists()
    try:
        file.open("ab").close()
        if is_new:
            file.unlink()
    except OSError as problem:
        raise UsageError(f"{file} cannot be written: {problem.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
