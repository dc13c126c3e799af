"""Fan-out: from a room's entries to the sockets of its viewers.

``waves`` decides when to send, ``audience`` what to send to whom, ``members`` which viewers share
a position, ``batch_cache`` encodes, ``send_group`` sends. ``viewer_count`` and ``pollers`` are what
a wave also announces, and who else it wakes.
"""
