"""Comments that only their authors and moderators see.

No table changes: entries have a new kind, ``shadow``, which older versions would show to everybody.
"""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Do nothing."""
