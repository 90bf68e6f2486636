"""Groups that only an audit may know, such as who inspected: the section [audit] of city.toml."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field, field_validator

from data.declarations import Section


class AuditGroup(Section):
    """One kind of groups, read by an SQL file of the city's folder; docs/audit.md."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$", description="name of the kind of groups")
    name_zh: str
    sql: str = Field(description="path of a SELECT of entity_id, event_date and value; not among the mappings")

    @field_validator("sql")
    @classmethod
    def _no_mapping(cls, path: str) -> str:
        if PurePosixPath(path).parts[0] == "sources":
            raise ValueError("must not lie in sources/: what stands there becomes a table. Move it to audit/")
        return path


class Audit(Section):
    """What the audit reads beside the records."""

    groups: tuple[AuditGroup, ...] = ()
