"""Decides what may be posted: word filters. Pure, like the rest of the core."""
