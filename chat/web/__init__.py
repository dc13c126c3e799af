"""The only place that knows Tornado: connections, polling, pages, and what operators look at."""
