"""Other servers: other ways to send one comment to all viewers, each in about a dozen lines.

Each implements just enough of our protocol for the load tester to measure it: a welcome, then for
every post an ack to its sender and a batch of one entry, as large as our server's, to all. They
validate nothing, store nothing, have no limits and send no pings, which is an advantage for them.
"""
