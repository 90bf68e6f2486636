"""The 13 canonical tables, as declarations.

The checks at ingestion, the reference page (docs/tables.md) and the error texts all come from here. Every record
carries `event_date` (when it happened), `known_at` (when the regulator learned it) and, where it was repaired, revoked
or corrected, `withdrawn_at` (when the regulator learned of that). Dates are days. A column with `known_by` holds an
outcome that was learned later than the record itself: as of a date up to that day, it is null. Such an outcome without
its day goes to quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Type = Literal["VARCHAR", "DATE", "DOUBLE", "BIGINT", "BOOLEAN"]


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Attributes
    ----------
    name, type
        Name and DuckDB type.
    description, description_zh
        What it holds, in both languages.
    unit : str
        Unit of a number; empty for others.
    required : bool
        Whether a row without it goes to quarantine.
    allowed : tuple of str
        The values it may take; empty for any.
    minimum, maximum : float or None
        Inclusive bounds of a number.
    known_by : str
        The DATE column on which this value became known; empty where it is known with the record.
    derived : str
        DuckDB expression over the row's columns that ingestion computes; a mapping does not give it.
    default : str
        DuckDB expression that stands in where the mapping gives null.
    """

    name: str
    type: Type
    description: str
    description_zh: str
    unit: str = ""
    required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    known_by: str = ""
    derived: str = ""
    default: str = ""


@dataclass(frozen=True)
class Table:
    """One canonical table: a name, a key and its columns, the columns of every record among them."""

    name: str
    name_zh: str
    description: str
    description_zh: str
    own_columns: tuple[Column, ...]
    key: tuple[str, ...] = ("record_id",)
    columns: tuple[Column, ...] = field(init=False)

    def __post_init__(self) -> None:
        keyed_by_record = self.key == ("record_id",)
        record_id = (_RECORD_ID,) if keyed_by_record else ()
        linked = () if self.name == "entities" else _LINK_COLUMNS
        object.__setattr__(self, "columns", record_id + self.own_columns + linked + _RECORD_COLUMNS)

    def column(self, name: str) -> Column:
        """Return the column of that name; KeyError if there is none."""
        return next(c for c in self.columns if c.name == name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(c.name for c in self.columns)


_RECORD_ID = Column("record_id", "VARCHAR", "Key of the record in its source.", "来源中的记录编号", required=True)
_LINK_COLUMNS = (
    Column("entity_name", "VARCHAR", "Name of the entity as the source writes it.", "来源所写的主体名称"),
    Column(
        "entity_region",
        "VARCHAR",
        "Region that the source gives with the name.",
        "来源所写的行政区划代码（GB/T 2260 或本地分区）",
    ),
    Column(
        "link_method",
        "VARCHAR",
        "How a record without a code was linked to its entity; null where the source gives the code.",
        "无代码记录与主体的匹配方式；来源给出代码的为空",
        allowed=("name", "score", "decision"),
    ),
    Column("link_score", "DOUBLE", "Certainty of that link.", "匹配置信度", minimum=0.0, maximum=1.0),
)
_RECORD_COLUMNS = (
    Column("event_date", "DATE", "Day it happened.", "发生日期", required=True),
    Column("known_at", "DATE", "Day the regulator learned of it.", "知悉日期", required=True),
    Column(
        "withdrawn_at",
        "DATE",
        "Day the regulator learned that it was repaired, revoked or corrected; null while it stands.",
        "修复、撤销或更正的知悉日期，仍然有效则为空",
    ),
    Column("source_file", "VARCHAR", "File the record came from.", "来源文件", required=True),
    Column("source_row", "BIGINT", "Row of that file, counted from 1.", "来源文件行号", required=True),
)


def _entity(required: bool = True) -> Column:
    return Column(
        "entity_id",
        "VARCHAR",
        "Entity concerned: unified social credit code, or the city's own key.",
        "主体编号：统一社会信用代码或本地编号",
        required=required,
    )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "entities",
            "市场主体",
            "Registered market entities; one row for each state of the register entry, the latest known one counts.",
            "登记的市场主体；登记状态每变化一次一行，以当时已知的最新一行为准",
            (
                _entity(),
                Column("name", "VARCHAR", "Registered name.", "名称", required=True),
                Column(
                    "name_key",
                    "VARCHAR",
                    "Name in normal form, for matching.",
                    "规范化名称",
                    derived="normalise_name(name)",
                ),
                Column(
                    "uscc",
                    "VARCHAR",
                    "Unified social credit code, where the city's key is another.",
                    "统一社会信用代码",
                ),
                Column(
                    "entity_type",
                    "VARCHAR",
                    "Enterprise, self-employed trader, or other.",
                    "主体类型",
                    required=True,
                    allowed=("enterprise", "self_employed", "cooperative", "branch", "other"),
                ),
                Column(
                    "status",
                    "VARCHAR",
                    "State of the registration.",
                    "登记状态",
                    required=True,
                    allowed=("active", "suspended", "revoked", "deregistered"),
                ),
                Column("established_date", "DATE", "Day of establishment.", "成立日期"),
                Column(
                    "registered_capital",
                    "DOUBLE",
                    "Registered capital.",
                    "注册资本",
                    unit="currency",
                    minimum=0.0,
                ),
                Column("employees", "BIGINT", "Number of staff.", "从业人数", unit="persons", minimum=0.0),
                Column("size", "VARCHAR", "Size class.", "规模", allowed=("micro", "small", "medium", "large")),
                Column(
                    "industry_code",
                    "VARCHAR",
                    "GB/T 4754-2017 division, or the city's own class.",
                    "行业代码（GB/T 4754-2017 大类或本地分类）",
                ),
                Column(
                    "region_code",
                    "VARCHAR",
                    "GB/T 2260 code, or the city's own district.",
                    "行政区划代码（GB/T 2260 或本地分区）",
                ),
                Column("address", "VARCHAR", "Registered address.", "住所"),
                Column(
                    "address_key",
                    "VARCHAR",
                    "Address in normal form, for counting entities at one address.",
                    "规范化地址",
                    derived="normalise_address(address)",
                ),
            ),
            key=("entity_id", "known_at"),
        ),
        Table(
            "licences",
            "许可证",
            "Licences and permits, one row for each term.",
            "许可证件，每个有效期一行",
            (
                _entity(),
                Column("licence_type", "VARCHAR", "Kind of licence.", "许可类型", required=True),
                Column("licence_number", "VARCHAR", "Number on the licence.", "许可证编号"),
                Column(
                    "required",
                    "BOOLEAN",
                    "Whether the entity may not operate without it.",
                    "是否经营必需",
                    required=True,
                ),
                Column("valid_from", "DATE", "First day of the term.", "有效期起", required=True),
                Column(
                    "valid_until",
                    "DATE",
                    "Last day of the term; null where it does not lapse.",
                    "有效期止，长期有效则为空",
                ),
            ),
        ),
        Table(
            "annual_reports",
            "年报",
            "Annual reports filed, filed late or missed, one row for each fact learned.",
            "年度报告：按期、逾期或未报，每知悉一项一行",
            (
                _entity(),
                Column(
                    "report_year",
                    "BIGINT",
                    "Year reported on.",
                    "年报年度",
                    unit="year",
                    required=True,
                    minimum=1990,
                    maximum=2100,
                ),
                Column(
                    "status",
                    "VARCHAR",
                    "Filed on time, late, or missed.",
                    "报送状态",
                    required=True,
                    allowed=("filed", "late", "missed"),
                ),
            ),
        ),
        Table(
            "changes",
            "变更登记",
            "Changes of the register entry.",
            "登记事项变更",
            (
                _entity(),
                Column(
                    "field",
                    "VARCHAR",
                    "What changed.",
                    "变更事项",
                    required=True,
                    allowed=(
                        "address",
                        "representative",
                        "scope",
                        "name",
                        "capital",
                        "shareholders",
                        "other",
                    ),
                ),
            ),
        ),
        Table(
            "inspections",
            "监督检查",
            "Inspections and their results.",
            "监督检查及结果",
            (
                _entity(),
                Column(
                    "inspection_type",
                    "VARCHAR",
                    "Why it took place.",
                    "检查类型",
                    required=True,
                    allowed=("routine", "random", "complaint", "follow_up", "licence", "special", "other"),
                ),
                Column(
                    "failed",
                    "BOOLEAN",
                    "Whether it found a violation; null where the result is unknown.",
                    "是否不合格，结果不明则为空",
                ),
                Column(
                    "severity",
                    "VARCHAR",
                    "Gravest finding.",
                    "最严重程度",
                    allowed=("none", "minor", "significant", "crucial"),
                ),
                Column(
                    "outcome",
                    "VARCHAR",
                    "Outcome: pass, pass with conditions, fail (closed).",
                    "结果",
                    allowed=("pass", "conditional", "fail"),
                ),
                Column(
                    "n_violations",
                    "BIGINT",
                    "Number of violations found.",
                    "违规条数",
                    unit="violations",
                    minimum=0.0,
                ),
            ),
        ),
        Table(
            "tests",
            "抽样检验",
            "Sampling tests of products.",
            "产品抽样检验",
            (
                _entity(),
                Column("product_id", "VARCHAR", "Product tested.", "产品编号"),
                Column("category", "VARCHAR", "Product category.", "产品类别"),
                Column("failed", "BOOLEAN", "Whether the sample failed.", "是否不合格", required=True),
            ),
        ),
        Table(
            "penalties",
            "行政处罚",
            "Administrative penalties, from the day of the decision.",
            "行政处罚，以决定日为准",
            (
                _entity(),
                Column(
                    "kind",
                    "VARCHAR",
                    "Gravest kind of the penalty.",
                    "处罚种类",
                    required=True,
                    allowed=("warning", "fine", "confiscation", "suspension", "revocation", "other"),
                ),
                Column(
                    "amount",
                    "DOUBLE",
                    "Fine and forfeiture; null where none or not yet set.",
                    "罚没金额",
                    unit="currency",
                    minimum=0.0,
                    known_by="amount_known_at",
                ),
                Column(
                    "amount_known_at",
                    "DATE",
                    "Day the amount became known; with the decision, where not given.",
                    "金额知悉日期",
                    default="known_at",
                ),
            ),
        ),
        Table(
            "listings",
            "名录",
            "Listings of entities or persons: abnormal operation, serious dishonesty.",
            "主体或人员的名录：经营异常、严重违法失信",
            (
                _entity(required=False),
                Column("person_id", "VARCHAR", "Person listed; null where an entity is.", "人员编号"),
                Column(
                    "kind",
                    "VARCHAR",
                    "List.",
                    "名录类型",
                    required=True,
                    allowed=("abnormal_operation", "serious_dishonesty", "judgment_defaulter"),
                ),
                Column(
                    "ended_on",
                    "DATE",
                    "Day it was taken off; null while it stands.",
                    "移出日期",
                    known_by="ended_known_at",
                ),
                Column("ended_known_at", "DATE", "Day the end became known.", "移出知悉日期"),
            ),
        ),
        Table(
            "obligations",
            "欠税与未履行",
            "Arrears of tax and penalties not paid.",
            "欠税与未履行的处罚",
            (
                _entity(),
                Column(
                    "kind",
                    "VARCHAR",
                    "What is owed.",
                    "类型",
                    required=True,
                    allowed=("tax", "penalty", "judgment", "other"),
                ),
                Column("amount", "DOUBLE", "Sum owed.", "金额", unit="currency", required=True, minimum=0.0),
                Column(
                    "settled_on",
                    "DATE",
                    "Day it was settled; null while outstanding.",
                    "履行日期",
                    known_by="settled_known_at",
                ),
                Column("settled_known_at", "DATE", "Day the settlement became known.", "履行知悉日期"),
            ),
        ),
        Table(
            "complaints",
            "投诉举报",
            "Consumers' disputes (complaint) and leads on violations (report). Neither is a violation.",
            "消费者投诉与违法线索举报；二者都不等于违法",
            (
                _entity(),
                Column(
                    "kind",
                    "VARCHAR",
                    "Dispute or lead.",
                    "类型",
                    required=True,
                    allowed=("complaint", "report"),
                ),
                Column(
                    "complainant_id",
                    "VARCHAR",
                    "Pseudonym of the person; null where unknown.",
                    "投诉举报人代号",
                ),
                Column("topic", "VARCHAR", "Subject.", "主题"),
            ),
        ),
        Table(
            "people",
            "人员任职",
            "Who holds which office, or owns, in which entity.",
            "人员在主体中的任职或持股",
            (
                _entity(),
                Column(
                    "person_id",
                    "VARCHAR",
                    "Pseudonym of the person, or company that owns.",
                    "人员代号",
                    required=True,
                ),
                Column(
                    "role",
                    "VARCHAR",
                    "Office.",
                    "职务",
                    required=True,
                    allowed=("legal_representative", "director", "supervisor", "manager", "owner", "other"),
                ),
                Column(
                    "ended_on",
                    "DATE",
                    "Day the office ended; null while held.",
                    "离任日期",
                    known_by="ended_known_at",
                ),
                Column("ended_known_at", "DATE", "Day the end became known.", "离任知悉日期"),
            ),
        ),
        Table(
            "mentions",
            "舆情",
            "Media mentions matched to an entity.",
            "与主体匹配的舆情",
            (
                _entity(),
                Column(
                    "sentiment",
                    "VARCHAR",
                    "Tone.",
                    "倾向",
                    required=True,
                    allowed=("negative", "neutral", "positive"),
                ),
                Column("outlet", "VARCHAR", "Where it appeared.", "来源媒体"),
                Column("match_score", "DOUBLE", "Certainty of the match.", "匹配置信度", minimum=0.0, maximum=1.0),
            ),
        ),
        Table(
            "products",
            "产品",
            "Products of an entity.",
            "主体的产品",
            (
                _entity(),
                Column("product_id", "VARCHAR", "Product.", "产品编号", required=True),
                Column("name", "VARCHAR", "Name.", "名称", required=True),
                Column("category", "VARCHAR", "Category.", "类别", required=True),
            ),
        ),
    )
}
"""The canonical tables by name."""
