"""Moderation: rules and filters for posts, names that look alike, and the acts of moderators.

Pure, like the rest of the core.
"""
