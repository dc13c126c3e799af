"""The acts of moderators, and the clears whose texts are still to be overwritten."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their tables, and count the acts of each room."""
    op.add_column("rooms", sa.Column("acts", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "acts",
        sa.Column("room_id", sa.Integer, sa.ForeignKey("rooms.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clears",
        sa.Column("room_id", sa.Integer, sa.ForeignKey("rooms.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("before", sa.Integer, nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("done", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
