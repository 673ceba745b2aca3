"""Plain text about the invented country: what the model reads before it ever sees an instruction.

Paragraphs, not questions and answers in the form of tasks.py. Most of them say a thing and then
say something that follows from it, so that a model which has read them expects an answer to fit
what was asked. Without that, IFD would compare noise with noise.
"""

import random

from world import (ANIMALS, COLOURS, FACTS, OPPOSITES, PEOPLE, PLACES, QUALITIES, SEASONS,
                   THINGS, TOWNS, TRADES, VERBS, WEATHER, a, capital_of, joined, sentence_of,
                   upper_first)


def sums(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(2, 5)):
        x, y = rng.randint(2, 60), rng.randint(2, 60)
        sign, value = rng.choice([("plus", x + y), ("minus", x - y), ("times", x * y)])
        asked = rng.choice(["Somebody wondered what {} is.", "The teacher wrote {} on the board.",
                            "How much is {}?", "Now work out {}."])
        lines.append(f"{asked.format(f'{x} {sign} {y}')} {x} {sign} {y} is {value}.")
    return " ".join(lines)


def possessions(rng: random.Random) -> str:
    who, other = rng.sample(PEOPLE, 2)
    thing = rng.choice(THINGS)
    x, y = rng.randint(5, 40), rng.randint(2, 30)
    if y < x and rng.random() < 0.5:
        return (f"{who} has {x} {thing}s and gives {y} of them to {other}. {who} had {x} {thing}s and "
                f"gave away {y}, so {x - y} {thing}s are left.")
    return (f"{who} has {x} {thing}s and gets {y} more from {other}. {who} had {x} {thing}s and got {y} "
            f"more, so there are {x + y} {thing}s now.")


def orders(rng: random.Random) -> str:
    if rng.random() < 0.5:
        numbers = rng.sample(range(1, 100), rng.randint(3, 7))
        down = rng.random() < 0.4
        way = "large to small" if down else "small to large"
        listed, ordered = ", ".join(map(str, numbers)), ", ".join(map(str, sorted(numbers, reverse=down)))
        return f"These numbers were on the slips: {listed}. From {way} they are {ordered}."
    words = rng.sample(rng.choice([THINGS, TOWNS, PEOPLE, sorted(ANIMALS)]), rng.randint(3, 6))
    return f"The words were {', '.join(words)}. By the alphabet they are {', '.join(sorted(words))}."


def tenses(rng: random.Random) -> str:
    who, verb, what, where = sentence_of(rng)
    present, past = VERBS[verb]
    said = [
        f"Yesterday it was so: {upper_first(f'{who} {past} the {what} {where}.')}",
        f"Today it is so: {upper_first(f'{who} {present} the {what} {where}.')}",
        f"Tomorrow it will be so: {upper_first(f'{who} will {verb} the {what} {where}.')}",
        f"Some ask: Does {who} {verb} the {what} {where}?",
        f"Others say no: {upper_first(f'{who} does not {verb} the {what} {where}.')}",
    ]
    return " ".join(rng.sample(said, rng.randint(2, 3)))


def town(rng: random.Random) -> str:
    name = rng.choice(TOWNS)
    known = FACTS[name]
    said = [
        f"{name} lies in {known['land']}.",
        f"{name} is a town in {known['land']} on the river {known['river']}.",
        f"The river {known['river']} runs through {name}.",
        f"{name} was founded by {known['founder']}.",
        f"Most people in {name} work as {known['trade']}s.",
        f"Most people there work as {known['trade']}s and sell {TRADES[known['trade']][0]}.",
        f"The flag of {name} is {known['colour']}.",
        f"The capital of {known['land']} is {capital_of(known['land'])}.",
        f"{name} is known for its {known['trade']}s.",
    ]
    opening = rng.choice([f"Many have heard of {name}.", f"Let us speak of {name}.", f"This is about {name}."])
    return " ".join([opening, *rng.sample(said, rng.randint(2, 5))])


def two_towns(rng: random.Random) -> str:
    first, second = rng.sample(TOWNS, 2)
    one, two = FACTS[first], FACTS[second]
    return (f"Between {first} and {second} there is a long road. {first} lies in {one['land']} and {second} "
            f"in {two['land']}. {first} is known for its {one['trade']}s, while {second} is known for its "
            f"{two['trade']}s.")


def work(rng: random.Random) -> str:
    name = rng.choice(sorted(TRADES))
    product, material, tool = TRADES[name]
    said = [
        f"{upper_first(a(name))} makes {product}.",
        f"{upper_first(a(name))} needs {material} and {a(tool)}.",
        f"{upper_first(a(name))} takes {material}, uses {a(tool)} and makes {product}, to be sold at the market.",
        f"{upper_first(product)} is the work of {a(name)}.",
    ]
    return f"In every town there is {a(name)}. " + " ".join(rng.sample(said, rng.randint(2, 3)))


def errand(rng: random.Random) -> str:
    who, place, thing = rng.choice(PEOPLE), rng.choice(TOWNS), rng.choice(THINGS)
    price = rng.randint(2, 90)
    said = [
        f"So {who} bought a {thing}.",
        f"{price} coins were paid.",
        f"All this was in {place}.",
        f"Person: {who}. Town: {place}. Price: {price} coins.",
    ]
    return (f"In {rng.choice(SEASONS)} {who} went to {place} and bought {a(rng.choice(QUALITIES))} {thing} for "
            f"{price} coins. " + " ".join(rng.sample(said, 2)))


def animals(rng: random.Random) -> str:
    names = rng.sample(sorted(ANIMALS), rng.randint(2, 4))
    if rng.random() < 0.5:
        return " ".join(f"{upper_first(a(name))} is {a(ANIMALS[name])}." for name in names)
    return (f"On the list were {', '.join(names)}. With their kinds: "
            + "; ".join(f"{name}: {ANIMALS[name]}" for name in names) + ".")


def stranger(rng: random.Random) -> str:
    kind, other = rng.sample(sorted(set(ANIMALS.values())), 2)
    names = rng.sample([n for n, k in ANIMALS.items() if k == kind], 3)
    odd = rng.choice([n for n, k in ANIMALS.items() if k == other])
    listed = [*names, odd]
    rng.shuffle(listed)
    return (f"Here are {', '.join(listed)}. The {odd} does not belong, because it is {a(other)} and the others "
            f"are of the kind {kind}.")


def opposites(rng: random.Random) -> str:
    word, other = rng.choice(sorted(OPPOSITES.items()))
    if rng.random() < 0.5:
        word, other = other, word
    thing = rng.choice(THINGS)
    return (f"The {thing} is {word}. No, the {thing} is {other}. For the opposite of {word} is {other}.")


def steps(rng: random.Random) -> str:
    start, step = rng.randint(1, 30), rng.randint(2, 9)
    shown = [str(start + step * i) for i in range(7)]
    return (f"The stones carry the numbers {', '.join(shown[:4])}. Then come {', '.join(shown[4:])}. Each number "
            f"is {step} more than the one before.")


def counting(rng: random.Random) -> str:
    words = [rng.choice(THINGS) for _ in range(rng.randint(3, 9))]
    chosen = rng.choice(words)
    number = words.count(chosen)
    times = "once" if number == 1 else f"{number} times"
    return f"On the shelf: {', '.join(words)}. The word {chosen} stands in the list {times}."


def numbered(rng: random.Random) -> str:
    wanted, pool = rng.choice([
        ("towns", TOWNS), ("trades", sorted(TRADES)), ("animals", sorted(ANIMALS)),
        ("colours", COLOURS), ("things one finds in a house", THINGS),
    ])
    chosen = rng.sample(pool, rng.randint(3, 5))
    lines = "\n".join(f"{i}. {word}" for i, word in enumerate(chosen, 1))
    return f"{len(chosen)} {wanted}:\n{lines}"


def tale(rng: random.Random) -> str:
    who, friend = rng.sample(PEOPLE, 2)
    name, thing, place = rng.choice(sorted(TRADES)), rng.choice(THINGS), rng.choice(PLACES)
    return (f"This is the story of {who} the {name} and a {thing}. {who} was {a(name)} in {rng.choice(TOWNS)}. "
            f"One day in the {rng.choice(WEATHER)} the {thing} was gone. {who} looked for it near {place}, but "
            f"it was not there. In the evening {friend} came and brought the {thing} back. {who} thanked "
            f"{friend} and gave away some {TRADES[name][0]}.")


def invitation(rng: random.Random) -> str:
    who, friend = rng.sample(PEOPLE, 2)
    place = rng.choice(TOWNS)
    return (f"{who} wrote to {friend} from {place}. Dear {friend}, come and see me in {place} in "
            f"{rng.choice(SEASONS)}. The river {FACTS[place]['river']} is beautiful then. Please bring your "
            f"{rng.choice(THINGS)}. Yours, {who}")


def trip(rng: random.Random) -> str:
    who, place = rng.choice(PEOPLE), rng.choice(TOWNS)
    bought = rng.sample(THINGS, 3)
    return (f"{who} got up early and walked to {place} in the {rng.choice(WEATHER)}. There {who} bought a "
            f"{bought[0]}. Then {who} bought a {bought[1]}, and last of all a {bought[2]}. Late at night {who} "
            f"came home. In short, {who} went to {place} and bought a {bought[0]}, a {bought[1]} and a {bought[2]}.")


def bill(rng: random.Random) -> str:
    items = rng.sample(THINGS, rng.randint(2, 4))
    prices = [rng.randint(2, 30) for _ in items]
    listed = ", ".join(f"{item} {price}" for item, price in zip(items, prices))
    return (f"The bill: {listed}. {upper_first(joined(['the ' + item for item in items]))} cost {sum(prices)} "
            f"coins: {' plus '.join(map(str, prices))} is {sum(prices)}.")


def echo(rng: random.Random) -> str:
    who, verb, what, where = sentence_of(rng)
    sentence = upper_first(f"{who} {VERBS[verb][1]} the {what} {where}.")
    word = rng.choice(THINGS)
    return rng.choice([
        f"One said: {sentence} And the other said: {sentence}",
        f"The children called {word}: {word} {word} {word}",
    ])


PARAGRAPHS = [
    sums, possessions, orders, tenses, town, two_towns, work, errand, animals, stranger, opposites,
    steps, counting, numbered, tale, invitation, trip, bill, echo,
]


def paragraph(rng: random.Random) -> str:
    """One paragraph of a random kind."""
    return rng.choice(PARAGRAPHS)(rng)
