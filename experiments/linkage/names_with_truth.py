"""Real names with known truth: the rows of the Beijing files that carry a code, the code masked.

Every name belongs to one of two halves by the MD5 of its normal form: the model, its word list and the bar were chosen
on the names of `tune`; figures are of `test`. A spelling of an entity goes to the half of the entity's registered name.
Codes with a wrong check character are left out: clerks mistype codes too, and then one entity looks like two.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from data.errors import SourceError
from data.settings import Settings
from data.synthetic.identifiers import ALPHABET, WEIGHTS

CODED: dict[str, tuple[str, str, str]] = {
    "registration": ("内资企业设立登记公告数据 (1).csv", "企业名称", "统一社会信用代码"),
    "safety": ("安全生产许可证信息.csv", "企业名称", "行政相对人代码"),
    "prepaid": ("单用途商业预付卡备案企业公示.csv", "企业名称", "统一社会信用代码"),
    "food": ("食品经营环节监督检查信息.csv", "企业名称", "统一社会信用代码"),
    "tax": ("企业欠税公告信息.csv", "企业或单位名称", "纳税人识别号"),
    "culture": ("市文化执法总队-文化领域行政检查信息.csv", "行政相对人", "证件号码"),
}
"""File, column of the name and column of the code; where several name an entity, the first one's name is registered."""
UNCODED = "经营异常企业信息.csv"
"""100,000 names without a code: the other entities of the city."""
PLACES = ("北京市", "北京")
_CODE = re.compile(rf"^[{ALPHABET}]{{18}}$")
_HEADER_ROWS = 3


@dataclass(frozen=True)
class NamedEntity:
    """An entity with a code: its registered name, and other spellings of it in the files, each with its file."""

    code: str
    name: str
    other_spellings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RealNames:
    """What the files yield: entities with a code, and names of others."""

    entities: tuple[NamedEntity, ...]
    others: tuple[str, ...]


def read_names(settings: Settings) -> RealNames:
    """Read the files; SourceError where they are not here."""
    if settings.real_data is None or not (settings.real_data / "beijing").is_dir():
        raise SourceError(
            "The Beijing files are not here. Set QIANFEN_REAL_DATA to the folder that holds beijing/ and run again."
        )
    folder = settings.real_data / "beijing"
    spellings: dict[str, dict[str, Counter[str]]] = defaultdict(dict)
    for file, (path, name_column, code_column) in CODED.items():
        for name, code in _pairs(_rows(folder / path), name_column, code_column):
            if name and _is_code(code):
                spellings[code].setdefault(file, Counter())[name] += 1
    entities = tuple(_entity(code, files) for code, files in sorted(spellings.items()))
    known = {plain(entity.name) for entity in entities}
    others = {plain(row[0]): row[0].strip() for row in sorted(_rows(folder / UNCODED)[1:]) if row and plain(row[0])}
    return RealNames(entities, tuple(name for key, name in sorted(others.items()) if key not in known))


def plain(name: str) -> str:
    """Return a name without spaces and brackets, which are no difference."""
    return re.sub(r"[\s()（）]", "", name)


def is_of_tune(name: str) -> bool:
    """Say whether a name belongs to the half that tunes; brackets and width are no difference."""
    return hashlib.md5(plain(name).encode("utf-8")).hexdigest()[0] < "8"


def _is_code(code: str) -> bool:
    if not _CODE.match(code):
        return False
    total = sum(ALPHABET.index(sign) * int(weight) for sign, weight in zip(code[:17], WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31] == code[17]


def _entity(code: str, files: dict[str, Counter[str]]) -> NamedEntity:
    first = next(iter(files))
    # Within one file the commonest spelling counts, the longest where that is a tie.
    name = max(files[first], key=lambda spelling: (files[first][spelling], len(spelling), spelling))
    others = {
        (spelling, file) for file, names in files.items() for spelling in names if (spelling, file) != (name, first)
    }
    return NamedEntity(code, name, tuple(sorted(others)))


def _rows(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030")
    return list(csv.reader(io.StringIO(text)))


def _pairs(rows: list[list[str]], name_column: str, code_column: str) -> list[tuple[str, str]]:
    """Return (name, code) of the rows below the header, which may stand in the second row."""
    for number, header in enumerate(rows[:_HEADER_ROWS]):
        columns = [column.strip() for column in header]
        if name_column in columns and code_column in columns:
            name, code = columns.index(name_column), columns.index(code_column)
            return [(r[name].strip(), r[code].strip()) for r in rows[number + 1 :] if len(r) > max(name, code)]
    raise SourceError(f"A header with {name_column} and {code_column} must stand in the first {_HEADER_ROWS} rows.")
