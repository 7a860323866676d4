"""The sentence families of forge-arith: stories in which one running number changes step by step.

Placeholders: `{n}` the new number of a sentence, `{a}` and `{b}` the two numbers of an opening that states the first
step at once, `{item}` the thing told of, `{name}` the main person, `{prev}` and `{who}` the persons before and of the
current step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NAMES = (
    "Ana", "Ben", "Chloe", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jonas", "Kira", "Leo",
    "Mia", "Noor", "Omar", "Pia", "Ravi", "Sam", "Tara", "Zoe",
)  # fmt: skip

WEIGHTS: Mapping[str, int] = {"+": 4, "-": 4, "*": 2, "/": 1}
"""How often each operation is drawn, relative to the others that a family has."""


class Family(NamedTuple):
    """A story: its opening, one set of sentences per operation, and its final question."""

    name: str
    items: tuple[str, ...]
    start: tuple[str, ...]
    steps: Mapping[str, tuple[str, ...]]
    ask: str
    openings: Mapping[str, tuple[str, ...]] = {}
    """Openings that state the first step: operation -> sentences with `{a}` and `{b}`."""


FAMILIES = (
    Family(
        name="collection",
        items=("beads", "buttons", "cards", "coins", "marbles", "shells", "stamps", "stickers"),
        start=("{name} has {n} {item}.", "{name} collects {n} {item}."),
        steps={
            "+": ("{name} buys {n} more.", "{who} gives {name} {n} more.", "Then {name} finds {n} more."),
            "-": ("{name} gives {n} to {who}.", "Then {name} loses {n}.", "{name} sells {n} of them."),
            "*": ("{name} trades every one for {n} smaller ones.",),
            "/": ("{name} makes {n} equal piles and keeps only one.",),
        },
        ask="How many {item} does {name} have now?",
        openings={"*": ("{name} has {b} boxes with {a} {item} in each.",)},
    ),
    Family(
        name="comparison",
        items=("books", "cards", "coins", "games", "hats", "pens", "posters", "toys"),
        start=("{name} has {n} {item}.", "{name} owns {n} {item}."),
        steps={
            "+": ("{who} has {n} more than {prev}.",),
            "-": ("{who} has {n} fewer than {prev}.",),
            "*": ("{who} has {n} times as many as {prev}.",),
            "/": ("{prev} has {n} times as many as {who}.",),
        },
        ask="How many {item} does {who} have?",
    ),
    Family(
        name="savings",
        items=("book", "game", "hat", "kite", "lamp", "map"),
        start=("{name} has {n} dollars.", "{name} saves {n} dollars."),
        steps={
            "+": ("{name} earns {n} dollars.", "{who} gives {name} {n} dollars."),
            "-": ("{name} spends {n} dollars on a {item}.", "{name} lends {n} dollars to {who}."),
            "*": ("A prize makes it {n} times as much money.",),
            "/": ("{name} splits the money among {n} people and keeps one share.",),
        },
        ask="How many dollars does {name} have now?",
        openings={"*": ("{name} works {b} hours for {a} dollars an hour.",)},
    ),
    Family(
        name="shop",
        items=("bags", "chairs", "clocks", "cups", "lamps", "plates", "shirts", "vases"),
        start=("A shop has {n} {item}.", "A shop opens with {n} {item}."),
        steps={
            "+": ("A truck brings {n} more.", "The shop orders {n} more."),
            "-": ("The shop sells {n}.", "{n} of them are broken and thrown away."),
            "*": ("A new order makes the stock {n} times as large.",),
        },
        ask="How many {item} does the shop have now?",
        openings={"*": ("A shop gets {b} crates with {a} {item} in each.",)},
    ),
    Family(
        name="garden",
        items=("beans", "carrots", "lilies", "roses", "trees", "tulips"),
        start=("{name} plants {n} {item}.", "In a garden grow {n} {item}."),
        steps={
            "+": ("{who} plants {n} more.", "Then {n} new ones come up."),
            "-": ("Rabbits eat {n}.", "{n} of them dry out.", "{name} picks {n}."),
            "*": ("In spring there are {n} times as many.",),
        },
        ask="How many {item} are in the garden now?",
        openings={"*": ("{name} plants {b} rows of {a} {item}.",)},
    ),
    Family(
        name="bakery",
        items=("buns", "cakes", "cookies", "muffins", "pies", "rolls"),
        start=("{name} bakes {n} {item}.", "{name} brings {n} {item}."),
        steps={
            "+": ("{who} brings {n} more.", "Then {name} bakes {n} more."),
            "-": ("The guests eat {n}.", "{name} sells {n} to {who}."),
            "*": ("{name} goes on until there are {n} times as many.",),
            "/": ("{name} packs them into {n} equal bags and keeps one bag.",),
        },
        ask="How many {item} does {name} have now?",
        openings={"*": ("{name} bakes {b} trays with {a} {item} on each.",)},
    ),
    Family(
        name="crowd",
        items=("garden", "gym", "hall", "museum", "park", "yard"),
        start=("{n} people are in the {item}.", "{n} people come to the {item}."),
        steps={
            "+": ("{n} more come in.", "{name} brings {n} more people."),
            "-": ("{n} people go home.", "{name} leaves with {n} people in all."),
            "/": ("They form {n} equal teams and only one team stays.",),
        },
        ask="How many people are in the {item} now?",
        openings={"*": ("In the {item} stand {b} rows of {a} people.",)},
    ),
    Family(
        name="ride",
        items=("bus", "ferry", "train", "tram"),
        start=("A {item} leaves with {n} people.", "{n} people are on a {item}."),
        steps={
            "+": ("At the next stop {n} get on.", "Then {n} more get on."),
            "-": ("At the next stop {n} get off.", "Then {n} get off."),
        },
        ask="How many people are on the {item} now?",
        openings={"*": ("A {item} has {b} rows with {a} people in each.",)},
    ),
    Family(
        name="tank",
        items=("barrel", "pond", "pool", "tank"),
        start=("A {item} holds {n} liters of water.", "{name} pours {n} liters into a {item}."),
        steps={
            "+": ("Rain adds {n} liters.", "{who} pours in {n} more liters."),
            "-": ("{who} takes out {n} liters.", "{n} liters leak out."),
            "*": ("A pump makes it {n} times as much.",),
        },
        ask="How many liters are in the {item} now?",
        openings={"*": ("{name} pours {b} cans of {a} liters into a {item}.",)},
    ),
    Family(
        name="library",
        items=("art", "cook", "history", "music", "poetry", "science"),
        start=("A library has {n} {item} books.", "A library opens with {n} {item} books."),
        steps={
            "+": ("It buys {n} new ones.", "Readers bring back {n}."),
            "-": ("Readers borrow {n}.", "It gives {n} to a school."),
        },
        ask="How many {item} books does the library have now?",
        openings={"*": ("A library has {b} shelves with {a} {item} books on each.",)},
    ),
    Family(
        name="game",
        items=("board", "card", "dart", "quiz", "video", "word"),
        start=("{name} has {n} points in a {item} game.", "{name} scores {n} points in a {item} game."),
        steps={
            "+": ("{name} wins {n} points.", "A lucky round adds {n} points."),
            "-": ("{name} loses {n} points.", "{who} takes {n} points from {name}."),
            "*": ("A bonus multiplies the points by {n}.",),
            "/": ("A trap divides the points by {n}.",),
        },
        ask="How many points does {name} have now?",
    ),
    Family(
        name="trip",
        items=("airport", "beach", "castle", "lake", "museum", "station"),
        start=("{name} is {n} miles from the {item}.", "It is {n} miles to the {item}."),
        steps={
            "+": ("A wrong turn adds {n} miles.", "A closed road makes the way {n} miles longer."),
            "-": ("{name} drives {n} miles closer.", "A short cut saves {n} miles."),
        },
        ask="How many miles are left to the {item}?",
        openings={"*": ("The way to the {item} is {b} legs of {a} miles.",)},
    ),
)
