"""The archive's schema, step by step; run by ``chat.archive.schema`` at start."""
