"""The grammar of the instructions: one function a family, each making (instruction, input, output).

A family has several wordings, so that few instructions are alike by chance. Nothing here knows of
planted duplicates or noise; instructions.py mixes those in.
"""

import random

from world import (ANIMALS, COLOURS, FACTS, LANDS, OPPOSITES, PEOPLE, PLACES, QUALITIES, SEASONS,
                   THINGS, TOWNS, TRADES, VERBS, WEATHER, a, capital_of, joined, sentence_of,
                   upper_first)

Task = tuple[str, str, str]


def arithmetic(rng: random.Random) -> Task:
    x, y = rng.randint(2, 60), rng.randint(2, 60)
    sign, value = rng.choice([("plus", x + y), ("minus", x - y), ("times", x * y)])
    instruction = rng.choice([
        f"What is {x} {sign} {y}?",
        f"Work out {x} {sign} {y}.",
        f"Please calculate {x} {sign} {y} and say the result in a sentence.",
    ])
    return instruction, "", f"{x} {sign} {y} is {value}."


def word_problem(rng: random.Random) -> Task:
    who, other = rng.sample(PEOPLE, 2)
    thing = rng.choice(THINGS)
    x, y = rng.randint(5, 40), rng.randint(2, 30)
    if rng.random() < 0.5 and y < x:
        story = f"{who} has {x} {thing}s and gives {y} of them to {other}."
        answer = f"{who} had {x} {thing}s and gave away {y}, so {x - y} {thing}s are left."
    else:
        story = f"{who} has {x} {thing}s and gets {y} more from {other}."
        answer = f"{who} had {x} {thing}s and got {y} more, so there are {x + y} {thing}s now."
    question = rng.choice([
        f"How many {thing}s does {who} have in the end?",
        f"Read the story and say how many {thing}s {who} has now.",
    ])
    return question, story, answer


def sort_numbers(rng: random.Random) -> Task:
    numbers = rng.sample(range(1, 100), rng.randint(3, 7))
    down = rng.random() < 0.4
    ordered = ", ".join(map(str, sorted(numbers, reverse=down)))
    wording = rng.choice(["Sort these numbers", "Put the numbers in order", "Arrange the list"])
    order = "from large to small" if down else "from small to large"
    return f"{wording} {order}.", ", ".join(map(str, numbers)), ordered


def sort_words(rng: random.Random) -> Task:
    words = rng.sample(rng.choice([THINGS, TOWNS, PEOPLE, sorted(ANIMALS)]), rng.randint(3, 6))
    instruction = rng.choice([
        "Sort the words by the alphabet.",
        "Put these words into the order of a dictionary.",
        "List the following alphabetically.",
    ])
    return instruction, ", ".join(words), ", ".join(sorted(words))


def change_tense(rng: random.Random) -> Task:
    who, verb, what, where = sentence_of(rng)
    present, past = VERBS[verb]
    forms = {
        "past": f"{who} {past} the {what} {where}.",
        "present": f"{who} {present} the {what} {where}.",
        "future": f"{who} will {verb} the {what} {where}.",
    }
    source, target = rng.sample(sorted(forms), 2)
    instruction = rng.choice([
        f"Rewrite the sentence in the {target} tense.",
        f"Change this sentence to the {target} tense.",
        f"Say the same in the {target} tense.",
    ])
    return instruction, upper_first(forms[source]), upper_first(forms[target])


def make_question(rng: random.Random) -> Task:
    who, verb, what, where = sentence_of(rng)
    sentence = upper_first(f"{who} {VERBS[verb][0]} the {what} {where}.")
    kind = rng.choice(["question", "negative"])
    if kind == "question":
        return "Turn the sentence into a question.", sentence, f"Does {who} {verb} the {what} {where}?"
    output = upper_first(f"{who} does not {verb} the {what} {where}.")
    return "Make the sentence negative.", sentence, output


def fact(rng: random.Random) -> Task:
    town = rng.choice(TOWNS)
    known = FACTS[town]
    question, answer = rng.choice([
        (f"In which land does {town} lie?", f"{town} lies in {known['land']}."),
        (f"Which river runs through {town}?", f"The river {known['river']} runs through {town}."),
        (f"Who founded {town}?", f"{town} was founded by {known['founder']}."),
        (f"What is the most common trade in {town}?",
         f"Most people in {town} work as {known['trade']}s."),
        (f"What colour is the flag of {town}?", f"The flag of {town} is {known['colour']}."),
    ])
    if rng.random() < 0.25:
        land = rng.choice(LANDS)
        question, answer = f"Name the capital of {land}.", f"The capital of {land} is {capital_of(land)}."
    return question, "", answer


def describe_town(rng: random.Random) -> Task:
    town = rng.choice(TOWNS)
    known = FACTS[town]
    product = TRADES[known["trade"]][0]
    instruction = rng.choice([
        f"Describe the town of {town} in a few sentences.",
        f"Write a short entry about {town} for a travel book.",
        f"What should a visitor know about {town}?",
    ])
    sentences = [
        f"{town} is a town in {known['land']} on the river {known['river']}.",
        f"It was founded by {known['founder']}.",
        f"Most people there work as {known['trade']}s and sell {product}.",
        f"Its flag is {known['colour']}.",
    ]
    middle = sentences[1:]
    rng.shuffle(middle)
    return instruction, "", " ".join([sentences[0], *middle[: rng.randint(2, 3)]])


def trade(rng: random.Random) -> Task:
    name = rng.choice(sorted(TRADES))
    product, material, tool = TRADES[name]
    instruction, output = rng.choice([
        (f"What does {a(name)} make?", f"{upper_first(a(name))} makes {product}."),
        (f"What does {a(name)} need for the work?",
         f"{upper_first(a(name))} needs {material} and {a(tool)}."),
        (f"Explain how {a(name)} works.",
         f"{upper_first(a(name))} takes {material}, uses {a(tool)} and makes {product}, "
         f"to be sold at the market."),
        (f"Who makes {product}?", f"{upper_first(product)} is the work of {a(name)}."),
    ])
    return instruction, "", output


def extract(rng: random.Random) -> Task:
    who, town, thing = rng.choice(PEOPLE), rng.choice(TOWNS), rng.choice(THINGS)
    price, season = rng.randint(2, 90), rng.choice(SEASONS)
    note = (f"In {season} {who} went to {town} and bought {a(rng.choice(QUALITIES))} {thing} for "
            f"{price} coins.")
    question, output = rng.choice([
        ("Which town is named in the text?", f"The text names {town}."),
        ("How much was paid?", f"{price} coins were paid."),
        ("Who bought something, and what?", f"{who} bought a {thing}."),
        ("Draw the person, the town and the price out of the note.",
         f"Person: {who}. Town: {town}. Price: {price} coins."),
    ])
    return question, note, output


def classify(rng: random.Random) -> Task:
    names = rng.sample(sorted(ANIMALS), rng.randint(1, 4))
    if len(names) == 1:
        output = f"{upper_first(a(names[0]))} is {a(ANIMALS[names[0]])}."
        return f"What kind of animal is {a(names[0])}?", "", output
    instruction = rng.choice(["Say of each animal what kind it is.", "Sort the animals by kind."])
    return instruction, ", ".join(names), "; ".join(f"{name}: {ANIMALS[name]}" for name in names)


def odd_one_out(rng: random.Random) -> Task:
    kind, other = rng.sample(sorted(set(ANIMALS.values())), 2)
    names = rng.sample([n for n, k in ANIMALS.items() if k == kind], 3)
    odd = rng.choice([n for n, k in ANIMALS.items() if k == other])
    listed = [*names, odd]
    rng.shuffle(listed)
    output = f"The {odd} does not belong, because it is {a(other)} and the others are of the kind {kind}."
    return "Which word does not belong to the others, and why?", ", ".join(listed), output


def opposite(rng: random.Random) -> Task:
    word, other = rng.choice(sorted(OPPOSITES.items()))
    if rng.random() < 0.5:
        word, other = other, word
    thing = rng.choice(THINGS)
    if rng.random() < 0.5:
        return f"What is the opposite of {word}?", "", f"The opposite of {word} is {other}."
    return ("Replace the adjective by its opposite.", f"The {thing} is {word}.",
            f"The {thing} is {other}.")


def sequence(rng: random.Random) -> Task:
    start, step = rng.randint(1, 30), rng.randint(2, 9)
    shown = [start + step * i for i in range(4)]
    following = [start + step * i for i in range(4, 7)]
    output = f"{', '.join(map(str, following))}. Each number is {step} more than the one before."
    return "Continue the sequence with three more numbers.", ", ".join(map(str, shown)), output


def count(rng: random.Random) -> Task:
    words = [rng.choice(THINGS) for _ in range(rng.randint(3, 9))]
    chosen = rng.choice(words)
    number = words.count(chosen)
    times = "once" if number == 1 else f"{number} times"
    return (f"How often does the word {chosen} stand in the list?", ", ".join(words),
            f"The word {chosen} stands in the list {times}.")


def list_things(rng: random.Random) -> Task:
    number = rng.randint(3, 5)
    wanted, pool = rng.choice([
        ("towns", TOWNS), ("trades", sorted(TRADES)), ("animals", sorted(ANIMALS)),
        ("colours", COLOURS), ("things one finds in a house", THINGS),
    ])
    chosen = rng.sample(pool, number)
    lines = "\n".join(f"{i}. {word}" for i, word in enumerate(chosen, 1))
    return f"Name {number} {wanted}.", "", lines


def story(rng: random.Random) -> Task:
    who, friend = rng.sample(PEOPLE, 2)
    name, thing, place = rng.choice(sorted(TRADES)), rng.choice(THINGS), rng.choice(PLACES)
    town, weather = rng.choice(TOWNS), rng.choice(WEATHER)
    instruction = rng.choice([
        f"Write a short story about {who}, {a(name)} who loses a {thing}.",
        f"Tell a story in which {who} the {name} looks for a {thing}.",
    ])
    output = (f"{who} was {a(name)} in {town}. One day in the {weather} the {thing} was gone. "
              f"{who} looked for it near {place}, but it was not there. In the evening {friend} came "
              f"and brought the {thing} back. {who} thanked {friend} and gave away some "
              f"{TRADES[name][0]}.")
    return instruction, "", output


def letter(rng: random.Random) -> Task:
    who, friend = rng.sample(PEOPLE, 2)
    town, season, thing = rng.choice(TOWNS), rng.choice(SEASONS), rng.choice(THINGS)
    instruction = f"Write a letter in which {who} invites {friend} to {town}."
    output = (f"Dear {friend}, come and see me in {town} in {season}. The river {FACTS[town]['river']} "
              f"is beautiful then. Please bring your {thing}. Yours, {who}")
    return instruction, "", output


def summarize(rng: random.Random) -> Task:
    who, town = rng.choice(PEOPLE), rng.choice(TOWNS)
    bought = rng.sample(THINGS, 3)
    weather = rng.choice(WEATHER)
    text = (f"{who} got up early and walked to {town} in the {weather}. There {who} bought a {bought[0]}. "
            f"Then {who} bought a {bought[1]}, and last of all a {bought[2]}. Late at night {who} came home.")
    output = f"{who} went to {town} and bought a {bought[0]}, a {bought[1]} and a {bought[2]}."
    return rng.choice(["Sum up the text in one sentence.", "Shorten this text."]), text, output


def compare(rng: random.Random) -> Task:
    first, second = rng.sample(TOWNS, 2)
    one, two = FACTS[first], FACTS[second]
    output = (f"{first} lies in {one['land']} and {second} in {two['land']}. {first} is known for its "
              f"{one['trade']}s, while {second} is known for its {two['trade']}s.")
    return f"Compare the towns {first} and {second}.", "", output


def shopping(rng: random.Random) -> Task:
    items = rng.sample(THINGS, rng.randint(2, 4))
    prices = [rng.randint(2, 30) for _ in items]
    listed = ", ".join(f"{item} {price}" for item, price in zip(items, prices))
    total = f"{' plus '.join(map(str, prices))} is {sum(prices)}"
    output = f"{upper_first(joined(['the ' + item for item in items]))} cost {sum(prices)} coins: {total}."
    return "Add up the prices on the list.", listed, output


FAMILIES = [
    arithmetic, word_problem, sort_numbers, sort_words, change_tense, make_question, fact,
    describe_town, trade, extract, classify, odd_one_out, opposite, sequence, count, list_things,
    story, letter, summarize, compare, shopping,
]


def easy(rng: random.Random) -> Task:
    """A trifle: the answer stands in the question."""
    who, verb, what, where = sentence_of(rng)
    sentence = upper_first(f"{who} {VERBS[verb][1]} the {what} {where}.")
    word = rng.choice(THINGS)
    return rng.choice([
        ("Repeat the sentence.", sentence, sentence),
        ("Copy the text exactly as it is.", sentence, sentence),
        (f"Say the word {word} three times.", "", f"{word} {word} {word}"),
        (f"Write the word {word}.", "", word),
    ])
