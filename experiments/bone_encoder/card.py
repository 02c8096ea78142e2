"""Write the facts of the installed bone encoder into the table of its model card.

Run: python experiments/bone_encoder/card.py
"""

from __future__ import annotations

import hashlib
import json

from safetensors import safe_open

from xattn_bmd.models.assets import BONE_ENCODER

CARD = BONE_ENCODER.with_suffix(".md")
_BEGIN, _END = "<!-- facts -->\n", "<!-- /facts -->"


def main() -> None:
    """Replace the table and print it."""
    before, _, rest = CARD.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = facts_table()
    CARD.write_text(f"{before}{_BEGIN}{table}{_END}{after}", encoding="utf-8")
    print(table, end="")


def facts_table() -> str:
    """Return the facts in the file's metadata, and its digest, as a Markdown table."""
    with safe_open(BONE_ENCODER, framework="numpy") as stored:
        facts = json.loads(stored.metadata()["facts"])
    content = BONE_ENCODER.read_bytes()
    facts |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rows = (f"| {name} | {value if isinstance(value, str) else json.dumps(value)} |\n" for name, value in facts.items())
    return "| fact | value |\n|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    main()
