"""Comments that wait for a moderator, and how those before were decided."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "held",
        sa.Column("room_id", sa.Integer, sa.ForeignKey("rooms.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("ref", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("decision", sa.Text),
        sa.Column("seq", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index("held_by_ref", "held", ["room_id", "user", "ref"])
