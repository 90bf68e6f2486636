"""The ledger of promotions, and when each grading was put in force.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables; what is stored already was put in force when it was made, as far as is known."""
    op.create_table(
        "ledger",
        sa.Column("city", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("artifact", sa.String(200), nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("registered_version", sa.String(20), nullable=False),
        sa.Column("former_version", sa.String(64)),
        sa.Column("gate", sa.Text, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("city", sa.String(100), nullable=False),
        sa.Column("grading_id", sa.Integer, sa.ForeignKey("gradings.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("switches_of_city", "switches", ["city", "at"])
    op.execute(
        "INSERT INTO switches (city, grading_id, at) "
        "SELECT city, id, created_at FROM gradings WHERE complete ORDER BY id"
    )


def downgrade() -> None:
    """Drop both tables."""
    for table in ("switches", "ledger"):
        op.drop_table(table)
