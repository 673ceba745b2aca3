"""Makes python_words.json: which characters Python's `\\w` matches, and how `str.lower` changes each.

    python3 tests/golden/python_words.py
"""

import json
import re
import unicodedata
from pathlib import Path

WORD = re.compile(r"\w")


def characters():
    """Every character but surrogates, which no Rust text holds."""
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)


def ranges(codes):
    """Sorted numbers as [first, last] pairs."""
    found = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


if __name__ == "__main__":
    golden = {
        "unicode": unicodedata.unidata_version,
        "unassigned": ranges(ord(c) for c in characters() if unicodedata.category(c) == "Cn"),
        "word": ranges(ord(c) for c in characters() if WORD.match(c)),
        "lower": {c: c.lower() for c in characters() if c.lower() != c},
    }
    path = Path(__file__).with_name("python_words.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")
