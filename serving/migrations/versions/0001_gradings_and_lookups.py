"""Gradings, grades and the log of look-ups.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "gradings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("city", sa.String(100), nullable=False),
        sa.Column("as_of_date", sa.Date, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("snapshot_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_entities", sa.Integer, nullable=False),
        sa.Column("grade_counts", sa.JSON, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
    )
    # A city has one grading in force, whatever two runs try at once.
    op.create_index(
        "gradings_in_force", "gradings", ["city"], unique=True,
        sqlite_where=sa.text("in_force"), postgresql_where=sa.text("in_force"),
    )  # fmt: skip
    op.create_table(
        "grades",
        sa.Column("grading_id", sa.Integer, sa.ForeignKey("gradings.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("entity_id", sa.String(100), primary_key=True),
        sa.Column("points", sa.Double, nullable=False),
        sa.Column("grade", sa.String(8), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("expert_points", sa.Double, nullable=False),
        sa.Column("expert_grade", sa.String(8), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lookups",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("what", sa.String(100), nullable=False),
        sa.Column("city", sa.String(100), nullable=False),
        sa.Column("entity_id", sa.String(100)),
        sa.Column("as_of_date", sa.Date),
        sa.Column("model_version", sa.String(64)),
    )
    op.create_index("lookups_of_entity", "lookups", ["entity_id", "at"])


def downgrade() -> None:
    """Drop the three tables."""
    for table in ("lookups", "grades", "gradings"):
        op.drop_table(table)
