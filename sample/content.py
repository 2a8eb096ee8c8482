"""What the sample environment says: a small project that makes tide tables.

Everything that is drawn by lot is drawn from one ``random.Random``, so the same seed tells the same story.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent

PROJECT = "Tidewatch"
DESCRIPTION = "Tide tables and warnings for small harbours"
COMPONENTS = {
    "command line": "soren",
    "forecast": "maren",
    "guide": "soren",
    "stations": "ines",
    "warnings": "jonas",
    "web page": "tome",
}
VERSIONS = ("1.0", "1.1")
MILESTONES = {
    "1.0": "Tables and curves for one station.",
    "1.1": "A folder of stations, and the web page. Made in Roscoff, finished in Lerwick.",
    "1.2": "Warnings by message, and depth windows:\n * who is told, and when: [wiki:Guide/Warnings]\n * the ferry",
    "1.3": "Observed levels beside the forecast.",
}
PRIORITIES = ("blocker", "critical", "major", "major", "major", "minor", "minor", "trivial")

HARBOURS = (
    ("Saint-Malo", "France", 10.8), ("Roscoff", "France", 7.4), ("Brest", "France", 5.9),
    ("Granville", "France", 11.4), ("Boulogne", "France", 7.6), ("Dunkerque", "France", 5.3),
    ("Lerwick", "Shetland", 1.7), ("Stromness", "Orkney", 2.8), ("Ullapool", "Scotland", 4.5),
    ("Oban", "Scotland", 3.3), ("Leith", "Scotland", 4.8), ("Whitby", "England", 4.6), ("Lowestoft", "England", 1.9),
    ("Harwich", "England", 3.6), ("Dover", "England", 5.9), ("Newlyn", "England", 4.8),
    ("Ilfracombe", "England", 8.5), ("Avonmouth", "England", 12.2), ("Fishguard", "Wales", 4.0),
    ("Holyhead", "Wales", 4.9), ("Cobh", "Ireland", 3.7), ("Galway", "Ireland", 4.5), ("Killybegs", "Ireland", 3.5),
    ("Tromsø", "Norway", 2.7), ("Ålesund", "Norway", 1.8), ("Bergen", "Norway", 1.4), ("Narvik", "Norway", 3.1),
    ("Tórshavn", "Faroes", 0.4), ("Reykjavík", "Iceland", 3.8), ("Höfn", "Iceland", 2.0),
    ("Cuxhaven", "Germany", 3.3), ("Büsum", "Germany", 3.6), ("Emden", "Germany", 3.4), ("Husum", "Germany", 3.9),
    ("Esbjerg", "Denmark", 1.9), ("Delfzijl", "Netherlands", 3.3), ("Vlissingen", "Netherlands", 4.5),
    ("Oostende", "Belgium", 4.6), ("Gijón", "Spain", 4.2), ("Vigo", "Spain", 3.6), ("Cádiz", "Spain", 3.1),
    ("Leixões", "Portugal", 3.2), ("Cascais", "Portugal", 3.2), ("Faro", "Portugal", 3.1),
    ("Funchal", "Madeira", 2.3), ("Halifax", "Canada", 1.8), ("Yarmouth", "Canada", 4.4), ("Eastport", "Maine", 6.4),
    ("Portland", "Maine", 3.2), ("Sitka", "Alaska", 3.8), ("Valparaíso", "Chile", 1.5), ("Ushuaia", "Argentina", 1.6),
    ("Lyttelton", "Aotearoa", 2.1), ("Hobart", "Tasmania", 1.2),
)  # fmt: skip
PLACES = ("on the inner side of the mole", "under the old crane", "behind the fish hall", "at the pilots' stairs")
SIDES = ("the ferry ramp", "a boat", "the bridge, with glasses", "the office window")
REMARKS = (
    "In a long easterly the water stands half a metre higher than we say.",
    "After heavy rain the river adds a hand's breadth.",
    "The scale was moved once, by four centimetres, when the mole was mended.",
    "Ice takes the float every third winter; the readings of those weeks are guessed.",
    "There is a second, older gauge. It is wrong, and everybody in town believes it.",
)
VERDICTS = ("within two minutes", "three minutes late at neaps", "right, but for the wind", "good")


@dataclass(frozen=True)
class Person:
    """Somebody who works on the project."""

    login: str
    name: str


PEOPLE = (
    Person("admin", "Harbour Office"), Person("maren", "Maren Aas"), Person("jonas", "Jonas Petersen"),
    Person("ines", "Inês Carvalho"), Person("soren", "Søren Lund"), Person("tome", "Tomé Pereira"),
    Person("ailsa", "Ailsa Craig"), Person("yann", "Yann Le Goff"),
)  # fmt: skip
AUTHORS = PEOPLE[1:]


@dataclass(frozen=True)
class TicketText:
    """The words of one ticket."""

    kind: str
    component: str
    summary: str
    description: str
    comments: tuple[str, ...]
    closing: str


@cache
def _tickets() -> dict[str, Any]:
    return tomllib.loads((HERE / "tickets.toml").read_text(encoding="utf-8"))


def lot(rng: random.Random, number: int) -> dict[str, str]:
    """Draw what the texts leave open; ``number`` is the ticket's, or how many there are."""
    (station, country, high), (other, _, _) = rng.sample(HARBOURS, 2)
    minutes = rng.randint(4, 28)
    return {
        "station": station,
        "other": other,
        "country": country,
        "range": f"{high:.1f}",
        "person": rng.choice(AUTHORS).name.split()[0],
        "minutes": str(minutes),
        "more_minutes": str(minutes * rng.randint(3, 9)),
        "metres": f"{high + 0.8:.1f}",
        "metres_less": f"{high + 0.6:.1f}",
        "ticket": str(rng.randint(1, max(1, number - 1))),
    }


def ticket_texts(rng: random.Random, count: int) -> Iterator[TicketText]:
    """Give the words of ``count`` tickets; every fourth one has been talked about at length."""
    kinds = list(_tickets()["ticket"])
    for number in range(1, count + 1):
        if number % len(kinds) == 1:
            rng.shuffle(kinds)
        words = lot(rng, number)
        kind = {key: Template(value).substitute(words) for key, value in kinds[number % len(kinds)].items()}
        talk = rng.sample(_tickets()["comments"], 12 if number % 20 == 0 else rng.randint(0, 5))
        yield TicketText(
            kind["type"],
            kind["component"],
            kind["summary"],
            kind["description"].strip(),
            tuple(Template(text).substitute(words) for text in talk),
            Template(rng.choice(_tickets()["closing"])).substitute(words),
        )


def wiki_texts(rng: random.Random, count: int, tickets: int) -> Iterator[tuple[str, str]]:
    """Give names and texts of ``count`` wiki pages: those written for the project, then one for each station."""
    folder = HERE / "wiki"
    written = sorted(folder.rglob("*.txt"), key=lambda path: (path.name != "WikiStart.txt", str(path)))
    for path in written[:count]:
        yield path.relative_to(folder).with_suffix("").as_posix(), path.read_text(encoding="utf-8")
    page = Template((HERE / "station_page.txt").read_text(encoding="utf-8"))
    for number in range(count - len(written)):
        station, country, high = HARBOURS[number % len(HARBOURS)]
        again = number // len(HARBOURS)
        name = f"{station}-{again + 1}" if again else station
        yield f"Stations/{name}", page.substitute(station_words(rng, station, country, high, tickets))


def station_words(rng: random.Random, station: str, country: str, high: float, tickets: int) -> dict[str, str]:
    """Draw the numbers of one station; they fit its range, and no boat should trust them."""
    moon = high / 2 * rng.uniform(0.7, 0.75)
    amplitudes = {"m2": moon, "s2": moon * 0.36, "n2": moon * 0.2, "k1": rng.uniform(0.04, 0.12)}
    return {
        **lot(rng, tickets),
        "station": station,
        "country": country,
        "range": f"{high:.1f}",
        "keeper": rng.choice(AUTHORS).name,
        "neighbour": rng.choice(HARBOURS[:15])[0],
        "mean": f"{high / 2 + 0.6:.2f}",
        "warn": f"{high + 0.7:.1f}",
        "place": rng.choice(PLACES),
        "side": rng.choice(SIDES),
        "remark": rng.choice(REMARKS),
        "verdict": rng.choice(VERDICTS),
        **{f"p{number}": f"{rng.uniform(0, 360):.1f}" for number in range(1, 5)},
        **{name: f"{amplitude:.2f}" for name, amplitude in amplitudes.items()},
    }
