"""Whom and what something was fitted on, as salted hashes: enough to find them again, no id in clear.

They stop accidents, they do not hide anybody: a hash of a guessable id (a running number) can be guessed by trying all
ids, because the salt travels with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_HASH_LENGTH = 16


@dataclass(frozen=True)
class Seen:
    """Salted hashes of what was in training.

    Attributes:
        salt: text that goes before each id: the hash of a fold plan, say.
        patients: 16 hexadecimal digits for each patient.
        pictures: 16 hexadecimal digits for each picture; empty where no model of the run looked at pictures.
    """

    salt: str
    patients: frozenset[str]
    pictures: frozenset[str]

    @classmethod
    def of(cls, *, salt: str, patients: Iterable[str], pictures: Iterable[str]) -> Seen:
        """Hash patient ids and pictures' content hashes.

        Example:
            >>> seen = Seen.of(salt="plan", patients=["p1", "p2"], pictures=[])
            >>> seen.has_patient("p2"), seen.has_patient("p3")
            (True, False)
        """
        return cls(
            salt,
            frozenset(salted_hash(salt, name) for name in patients),
            frozenset(salted_hash(salt, content) for content in pictures),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Seen:
        """Return what :meth:`to_dict` wrote."""
        return cls(values["salt"], frozenset(values["patients"]), frozenset(values["pictures"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"salt": self.salt, "patients": sorted(self.patients), "pictures": sorted(self.pictures)}

    def has_patient(self, patient_id: str) -> bool:
        """Tell whether a patient was in training."""
        return salted_hash(self.salt, patient_id) in self.patients

    def has_picture(self, content_hash: str) -> bool:
        """Tell whether a picture was in training, whatever file or id it came under."""
        return salted_hash(self.salt, content_hash) in self.pictures


def salted_hash(salt: str, text: str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of salt and text."""
    return hashlib.sha256(f"{salt} {text}".encode()).hexdigest()[:_HASH_LENGTH]
