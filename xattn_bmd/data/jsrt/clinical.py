"""Age and sex from the two clinical texts of JSRT."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_RECORD = re.compile(r"(JPC[LN]N\d{3})\.IMG", re.IGNORECASE)
_FIRST = {"JPCLN": 2, "JPCNN": 0}
_UNKNOWN = "?"


@dataclass(frozen=True)
class Person:
    """What JSRT says of the patient of one radiograph.

    Attributes:
        age: in years, None where unknown.
        sex: ``"female"`` or ``"male"``, None where unknown.
    """

    age: int | None
    sex: str | None


def read_people(paths: Iterable[Path]) -> tuple[dict[str, Person], list[str]]:
    """Return the person of each radiograph id, and one sentence for each fault.

    A record begins with the name of a radiograph and ends where the next one begins, since line ends differ between
    copies and some are lost.  After the name stand, in ``CLNDAT_EN.txt`` (nodules), the nodule's subtlety and size,
    then age and sex; in ``CNNDAT_EN.txt`` age and sex at once; ``?`` is unknown.

    Args:
        paths: the texts.

    Example:
        >>> import tempfile
        >>> text = Path(tempfile.mkdtemp()) / "CNNDAT_EN.TXT"
        >>> _ = text.write_text("JPCNN001.IMG  71  female non-nodule")
        >>> read_people([text])
        ({'JPCNN001': Person(age=71, sex='female')}, [])
    """
    people: dict[str, Person] = {}
    problems = []
    for path in paths:
        try:
            pieces = _RECORD.split(path.read_text(encoding="latin-1"))
        except OSError as cause:
            problems.append(f"Every file must be readable, but {path.name} is not ({cause.strerror}); mend it.")
            continue
        for name, record in zip(pieces[1::2], pieces[2::2], strict=True):
            name = name.upper()
            person = _person(name, record)
            if person is None:
                problems.append(_unreadable(name, record, path=path))
            elif people.setdefault(name, person) != person:
                problems.append(
                    f"A radiograph has one age and sex, but {name} has two in the clinical texts ({path.name}); "
                    "correct one of them, or move one text away."
                )
    return people, problems


def _person(name: str, record: str) -> Person | None:
    age, sex = (*record.split()[_FIRST[name[:5]] :], "", "")[:2]
    sex = sex.lower()
    if not (age == _UNKNOWN or (age.isascii() and age.isdecimal())) or sex not in ("female", "male", _UNKNOWN):
        return None
    return Person(None if age == _UNKNOWN else int(age), None if sex == _UNKNOWN else sex)


def _unreadable(name: str, record: str, *, path: Path) -> str:
    order = "subtlety, size, age, sex" if name.startswith("JPCLN") else "age, sex"
    return (
        f"In {path.name} a radiograph's name is followed by {order}, but {name} is followed by "
        f"{' '.join(record.split()[:4])!r}; correct the line, with ? for what is unknown."
    )
