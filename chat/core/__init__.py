"""The pure core: events in, values out. No I/O, no clock, no randomness, no asyncio."""
