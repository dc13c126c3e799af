"""The archive's schema, step by step; run by ``chat.archive`` at start."""
