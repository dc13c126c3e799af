"""The identity of viewers: guest sessions, room tokens, and the secret that signs both."""
