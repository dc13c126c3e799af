"""Fan-out: from a room's entries to the sockets of its viewers.

``waves`` decides when to send, ``audience`` what to send to whom, ``members`` which viewers share
a position, ``batch_cache`` encodes, ``send_group`` sends. A wave also announces a changed
``viewer_count`` and wakes the ``pollers``.
"""
