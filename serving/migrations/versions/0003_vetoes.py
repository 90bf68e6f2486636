"""Which veto changed a grade.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no veto changed the grades that are stored already."""
    op.add_column("grades", sa.Column("veto", sa.String(100), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("grades", "veto")
