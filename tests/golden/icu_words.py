"""Makes icu_words.json: the words that ICU finds in the texts of scripts.json, lower-cased by Python.

    pip install PyICU && python tests/golden/icu_words.py        (needs ICU's C++ library, 72 or later)

PyICU is built against a system library, so `cargo xtask oracle` leaves this script out.
"""

import json
from pathlib import Path

import icu

HERE = Path(__file__).parent


def words(text):
    breaker = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())
    wide = icu.UnicodeString(text)
    breaker.setText(wide)
    found, start = [], 0
    for end in breaker:
        if breaker.getRuleStatus() >= 100:  # below: white space and punctuation
            found.append(str(wide[start:end]))
        start = end
    return found


if __name__ == "__main__":
    scripts = json.loads((HERE / "scripts.json").read_text(encoding="utf-8"))
    golden = {
        script: ["|".join(words(text.lower())) for text in of_script["texts"]]
        for script, of_script in scripts.items()
    }
    golden = {"icu": icu.ICU_VERSION, "words": golden}
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (HERE / "icu_words.json").write_text(text + "\n", encoding="utf-8")
