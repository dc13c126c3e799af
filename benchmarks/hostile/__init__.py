"""What hostile peers cost a server and its other viewers: `python -m benchmarks.hostile`.

Each attack runs on a server of an earlier commit and on one of the present tree, in turn. The
server has one core; the attack and the viewers whose latencies are measured share the other, where
the attack has the lower priority.

| module | responsibility |
|---|---|
| `floods` | the floods, each in a process of its own |
| `sockets` | raw WebSocket connections for attacks that are not floods |
| `probe` | how late the server's event loop answers |
| `side` | starts the servers of one of the two trees |
| `attacks` | one function an attack: what it does to a server, in figures |
| `viewers` | what each flood does to 500 viewers |
"""
