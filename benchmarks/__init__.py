"""The benchmark kit: what the server costs, measured beside its peers in one run.

`python -m benchmarks [NAME …] [--quick] [--json FILE]`. Every figure is taken by the load tester
(`chat/loadtest/`) from outside the server, with the server alone on one core and the load on
another. Machines differ, so what counts are ratios taken side by side; a figure says what it means
where it is made, in the docstring of its scenario.
"""
