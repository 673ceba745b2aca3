"""An invented country: its towns, people, crafts and words. Everything here is made up.

The instructions (tasks.py) and the plain text that the model reads first (corpus.py) are both
about this country, so what the model knows helps it with some tasks and not with others.
"""

import random

TOWNS = """Abrelon Belkara Corvane Dunmire Eskeld Farrowin Gelmora Hathrin Ilvane Jorrick Kelbury
Lomaris Mirrow Nelvara Ostrin Pellham Quorin Rosgard Selmere Tavrin Ulmeth Vessary Wenlow
Yarrick""".split()

LANDS = "Arven Brosk Calder Drune Elsmar Fenra Gorvath Haldin".split()

RIVERS = "Aster Brune Corl Dessin Evra Finnow Garn Holm".split()

PEOPLE = """Ada Bero Cilla Doran Edda Falk Gerta Hanno Ilka Jonas Kersti Lutz Mira Nils Oda Pelle
Runa Sverre Tilda Ulf Vera Wim""".split()

# The trade, what it makes, what it is made of, and a tool.
TRADES = {
    "baker": ("bread", "flour", "oven"),
    "smith": ("horseshoes", "iron", "hammer"),
    "weaver": ("cloth", "wool", "loom"),
    "potter": ("bowls", "clay", "wheel"),
    "cooper": ("barrels", "oak", "saw"),
    "tanner": ("leather", "hides", "knife"),
    "chandler": ("candles", "wax", "mould"),
    "glazier": ("windows", "sand", "furnace"),
    "miller": ("flour", "grain", "millstone"),
    "ropemaker": ("rope", "hemp", "hook"),
    "brewer": ("beer", "barley", "kettle"),
    "cobbler": ("shoes", "leather", "needle"),
}

# Base form, present, past.
VERBS = {
    "carry": ("carries", "carried"),
    "mend": ("mends", "mended"),
    "paint": ("paints", "painted"),
    "find": ("finds", "found"),
    "sell": ("sells", "sold"),
    "buy": ("buys", "bought"),
    "hide": ("hides", "hid"),
    "bring": ("brings", "brought"),
    "lose": ("loses", "lost"),
    "watch": ("watches", "watched"),
    "clean": ("cleans", "cleaned"),
    "lift": ("lifts", "lifted"),
}

THINGS = """basket lantern ladder blanket kettle mirror wagon barrel candle hammer bucket drum
saddle chest rope net bell spoon shovel cup""".split()

COLOURS = "red blue green yellow white black brown grey".split()

QUALITIES = "old new heavy light small large broken clean".split()

OPPOSITES = {
    "old": "new", "heavy": "light", "small": "large", "broken": "whole", "clean": "dirty",
    "warm": "cold", "early": "late", "high": "low", "near": "far", "open": "closed",
    "quick": "slow", "full": "empty", "dry": "wet", "soft": "hard", "loud": "quiet",
    "bright": "dark",
}

ANIMALS = {
    "sparrow": "bird", "owl": "bird", "heron": "bird", "crow": "bird",
    "trout": "fish", "pike": "fish", "eel": "fish", "carp": "fish",
    "beetle": "insect", "moth": "insect", "ant": "insect", "wasp": "insect",
    "badger": "mammal", "otter": "mammal", "hare": "mammal", "fox": "mammal",
}

PLACES = [f"the {it}" for it in "market mill harbour bridge tower forest inn".split()]

WEATHER = "rain snow fog wind sun frost".split()

SEASONS = "spring summer autumn winter".split()


def facts() -> dict[str, dict[str, str]]:
    """What is true of each town; the same on every machine."""
    rng = random.Random("iterit's country")
    rows = {}
    for index, town in enumerate(TOWNS):
        rows[town] = {
            "land": LANDS[index % len(LANDS)],
            "river": rng.choice(RIVERS),
            "trade": rng.choice(sorted(TRADES)),
            "founder": rng.choice(PEOPLE),
            "colour": rng.choice(COLOURS),
        }
    return rows


FACTS = facts()


def capital_of(land: str) -> str:
    """The first town of a land is its capital."""
    return next(town for town, fact in FACTS.items() if fact["land"] == land)


def a(word: str) -> str:
    """The word with its indefinite article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def joined(words: list[str]) -> str:
    """`x, y and z`."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def sentence_of(rng: random.Random) -> tuple[str, str, str, str]:
    """Who does what to which thing and where: the parts of a plain sentence."""
    who = rng.choice([rng.choice(PEOPLE), f"the {rng.choice(sorted(TRADES))}"])
    what = f"{rng.choice(QUALITIES + COLOURS)} {rng.choice(THINGS)}"
    return who, rng.choice(sorted(VERBS)), what, f"near {rng.choice(PLACES)}"


def upper_first(text: str) -> str:
    """The text with a capital in front, the rest as it is."""
    return text[0].upper() + text[1:]
