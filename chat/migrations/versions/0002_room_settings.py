"""A room's settings, as JSON; a room that has chosen none has an empty object."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them to the rooms."""
    op.add_column("rooms", sa.Column("settings", sa.Text, nullable=False, server_default="{}"))
