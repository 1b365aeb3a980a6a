"""Where a postal code is. US ZIP codes come compiled in with `zipcodes`; no network."""

from __future__ import annotations

from functools import cache

import zipcodes


@cache
def _places() -> tuple[dict[str, tuple[float, float]], dict[str, str], dict[str, str]]:
    """Centroids of three-digit prefixes, and the state of each ZIP and prefix."""
    sums: dict[str, list[float]] = {}
    state_of: dict[str, str] = {}
    prefix_states: dict[str, set[str]] = {}
    for row in zipcodes.list_all():
        state_of[row["zip_code"]] = row["state"]
        prefix_states.setdefault(row["zip_code"][:3], set()).add(row["state"])
        if not row["lat"] or not row["long"]:
            continue
        entry = sums.setdefault(row["zip_code"][:3], [0.0, 0.0, 0.0])
        entry[0] += float(row["lat"])
        entry[1] += float(row["long"])
        entry[2] += 1
    centroids = {p: (s[0] / s[2], s[1] / s[2]) for p, s in sums.items()}
    return centroids, state_of, {p: min(s) for p, s in prefix_states.items() if len(s) == 1}


def preload() -> None:
    """Read the tables now, not while the first order waits."""
    _places()


def centroid(postal: str) -> tuple[float, float] | None:
    """Latitude and longitude of a ZIP's three-digit prefix; None when there is none."""
    return _places()[0].get(postal[:3])


def us_address_problems(postal_code: str, region: str) -> list[str]:
    """What is wrong with a US postal code and state, in words."""
    _centroids, state_of, _prefixes = _places()
    zip5 = postal_code[:5]
    if not zip5:
        return ["postal code is missing"]
    if not (len(zip5) == 5 and zip5.isdigit()):
        return [f"postal code {zip5!r} is no ZIP code"]
    state = state_of.get(zip5)
    if state is None:
        return [f"ZIP code {zip5} does not exist"]
    if region and len(region) == 2 and state != region.upper():
        return [f"ZIP code {zip5} is in {state}, the address says {region.upper()}"]
    return []
