"""The HTTP API of moderators: a module for each noun; its handlers only call ``moderation.py``."""
