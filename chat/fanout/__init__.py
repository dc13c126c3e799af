"""Fan-out: from a room's entries to the sockets of its viewers.

``waves`` decides when, ``audience`` to whom, ``pieces`` makes the bytes, ``row`` sends them.
"""
