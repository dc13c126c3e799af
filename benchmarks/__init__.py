"""Benchmarks: what the server costs, next to other servers or next to another commit.

`python -m benchmarks [NAME …] [--quick] [--update] [--json FILE]`, or `--against COMMIT`. The load
tester (`chat/loadtest/`) measures the server from outside, with one core for the server and another
for the load. Machines differ, so the ratios measured side by side count most; the docstring of a
scenario says what its figures mean.
"""
