"""Invented people at real places: names and streets are made up, ZIP, city and state match."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random

import zipcodes

FIRST = (
    "Ada", "Bo", "Cleo", "Dot", "Edda", "Fitz", "Gus", "Hanno", "Ines", "Jory", "Kit", "Lumi",
    "Milo", "Nell", "Otis", "Pia", "Quill", "Runa", "Sol", "Tamsin", "Ugo", "Vesper", "Wim", "Zia",
)  # fmt: skip
LAST = (
    "Fauxberg", "Sampleton", "Mockridge", "Nonesuch", "Ficton", "Exampleby", "Placeholm",
    "Imagine", "Testerman", "Pretendly", "Anybody", "Makebelle", "Dummett", "Inventson",
)  # fmt: skip
STREETS = (
    "Example Street", "Invented Avenue", "Placeholder Road", "Imaginary Lane", "Sample Court",
    "Nowhere Drive", "Fiction Way", "Pretend Boulevard",
)  # fmt: skip
FIRMS = ("Trading Post", "Outdoor Co.", "Mercantile", "General Store", "Camp Supply")
# Two of three orders come from large cities, as three-digit ZIP prefixes.
METRO = (
    "100", "101", "112", "021", "191", "200", "303", "331", "606", "554", "631", "752", "770",
    "802", "850", "891", "900", "921", "941", "972", "981",
)  # fmt: skip
ELSEWHERE = {"AK", "HI", "PR", "VI", "GU", "AS", "MP", "PW", "FM", "MH", "AA", "AE", "AP"}


@dataclass(frozen=True)
class Customer:
    """Who an order goes to. ``company`` is empty for a private address."""

    first: str
    last: str
    company: str
    street: str
    extra: str
    city: str
    region: str
    zip: str
    country: str
    phone: str
    email: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@cache
def places() -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """(ZIP, city, state) of the contiguous states: of large cities, and of everywhere."""
    every = [
        (row["zip_code"], row["city"], row["state"])
        for row in zipcodes.list_all()
        if row["zip_code_type"] == "STANDARD" and row["active"] and row["state"] not in ELSEWHERE
    ]
    return [p for p in every if p[0][:3] in METRO], every


def customer(dice: Random, number: int, *, firm: bool = False) -> Customer:
    """An invented person; about every tenth one has ordered before."""
    number = number - 9 if number > 9 and dice.random() < 0.1 else number
    identity = Random(f"person:{number}")
    metro, every = places()
    first, last = identity.choice(FIRST), identity.choice(LAST)
    code, city, region = identity.choice(metro if identity.random() < 0.66 else every)
    return Customer(
        first=first,
        last=last,
        company=f"{last} {identity.choice(FIRMS)}" if firm else "",
        street=f"{identity.randint(1, 980)} {identity.choice(STREETS)}",
        extra=f"Apt {identity.randint(1, 40)}" if identity.random() < 0.2 and not firm else "",
        city=city,
        region=region,
        zip=code,
        country="US",
        phone=f"+1 {identity.randint(201, 989)}-555-01{identity.randint(0, 99):02d}",
        email=f"{first}.{last}.{number}@example.com".lower(),
    )


def spoiled(person: Customer, how: str) -> Customer:
    """The same person with an address that something is wrong with."""
    if how == "no_such_zip":
        return replace(person, zip="00000")
    if how == "no_zip_at_all":
        return replace(person, zip="1O0O1")
    if how == "other_state":
        return replace(person, region="WA" if person.region != "WA" else "FL")
    if how == "no_city":
        return replace(person, city="")
    if how == "canada":
        return replace(person, city="Toronto", region="ON", zip="M5V 2T6", country="CA")
    raise ValueError(how)
