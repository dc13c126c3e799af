"""The peers: other ways to send one comment to all, each in about a dozen lines.

Each speaks just enough of our wire for the load tester to measure it unchanged: a welcome, then for
every post an ack to its sender and a batch of one entry, of our server's size, to all. They
validate nothing, keep nothing, limit nothing and send no pings, which is in their favour.
"""
