"""Documented damage to names: what clerks, forms and scanners do to them. The same name is always damaged alike."""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

from data.codes import REFERENCE
from experiments.linkage.names_with_truth import PLACES

_PLACE = "|".join(PLACES)
_FORM = re.compile("股份有限公司|有限责任公司|有限公司|公司")
_SHORTER = ("有限公司", "公司", "")


def lost(name: str, chance: random.Random) -> str | None:
    """One character is missing, anywhere in the name."""
    place = chance.randrange(len(name))
    return name[:place] + name[place + 1 :] if len(name) > 2 else None


def confused(name: str, chance: random.Random) -> str | None:
    """One character is written as another that sounds the same, or looks alike (three in four sound the same)."""
    places = [n for n, character in enumerate(name) if _alike(character, "sound") or _alike(character, "shape")]
    if not places:
        return None
    place = chance.choice(places)
    kinds = ("sound", "shape") if chance.random() < 0.75 else ("shape", "sound")
    others = _alike(name[place], kinds[0]) or _alike(name[place], kinds[1])
    return name[:place] + chance.choice(others) + name[place + 1 :]


def replaced(name: str, chance: random.Random) -> str | None:
    """One character is written as any other."""
    place, characters = chance.randrange(len(name)), _characters()
    other = characters[chance.randrange(len(characters))][0]
    return name[:place] + other + name[place + 1 :] if other != name[place] else None


def form_shortened(name: str, chance: random.Random) -> str | None:
    """The legal form is shortened: 有限责任公司 to 有限公司, 有限公司 to 公司, or left out."""
    match = _FORM.search(name)
    if match is None or name[match.start() - 1] == "分":
        return None
    shorter = chance.choice([form for form in _SHORTER if len(form) < len(match.group())])
    return name[: match.start()] + shorter + name[match.end() :]


def place_dropped(name: str, _chance: random.Random) -> str | None:
    """The city's name at the start, or in brackets, is left out."""
    shorter = re.sub(rf"^(?:{_PLACE})|[（(](?:{_PLACE})[）)]", "", name, count=1)
    return shorter if shorter not in (name, "") else None


def brackets_turned(name: str, chance: random.Random) -> str | None:
    """Brackets in full or half width, as other brackets, or gone; or the bracketed place stands at the start."""
    match = re.search(r"[（(]([^（）()]+)[）)]", name)
    if not match:
        return None
    head, inner, tail = name[: match.start()], match.group(1), name[match.end() :]
    forms = [f"{head}({inner}){tail}", f"{head}（{inner}）{tail}", f"{head}【{inner}】{tail}", head + inner + tail]
    if inner in PLACES:
        forms.append(inner + head + tail)
    return chance.choice([form for form in forms if form != name])


DAMAGES: dict[str, Callable[[str, random.Random], str | None]] = {
    "character lost": lost,
    "character confused": confused,
    "character replaced by any": replaced,
    "legal form shortened": form_shortened,
    "region prefix dropped": place_dropped,
    "brackets turned": brackets_turned,
}
"""Each takes a name, and yields it damaged, or None where it can not be damaged so."""


def damaged(name: str, kind: str) -> str | None:
    """Return a name with one kind of damage; the same name always the same."""
    seed = int.from_bytes(hashlib.sha256(f"{kind}/{name}".encode()).digest()[:8], "big")
    return DAMAGES[kind](name, random.Random(seed))


@cache
def _characters() -> Sequence[tuple[str, str, str]]:
    with (REFERENCE / "characters.csv").open(encoding="utf-8", newline="") as file:
        return [(row["character"], row["sound"], row["corners"]) for row in csv.DictReader(file)]


@cache
def _groups() -> tuple[dict[str, str], dict[str, str], dict[str, list[str]], dict[str, list[str]]]:
    """Return each character's sound and corners, the characters of each sound, and of each corners but one digit."""
    sounds = {character: sound for character, sound, _ in _characters()}
    corners = {character: code for character, _, code in _characters()}
    by_sound: dict[str, list[str]] = defaultdict(list)
    by_shape: dict[str, list[str]] = defaultdict(list)
    for character, sound, code in _characters():
        by_sound[sound].append(character)
        for place in range(len(code)):
            by_shape[f"{code[:place]}?{code[place + 1 :]}"].append(character)
    return sounds, corners, by_sound, by_shape


def _alike(character: str, kind: str) -> list[str]:
    sounds, corners, by_sound, by_shape = _groups()
    if character not in sounds:
        return []
    if kind == "sound":
        return [other for other in by_sound[sounds[character]] if other != character]
    code = corners[character]
    masks = [f"{code[:place]}?{code[place + 1 :]}" for place in range(len(code))]
    return sorted({other for mask in masks for other in by_shape[mask]} - {character})
