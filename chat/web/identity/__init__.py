"""The identity of viewers: tokens, guest sessions, and the keys that sign both."""
