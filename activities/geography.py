"""Where a postal code is. US ZIP codes come compiled in with `zipcodes`; no network."""

from __future__ import annotations

from functools import lru_cache
from statistics import fmean

import zipcodes


@lru_cache(maxsize=2_000)  # there are 1,000 prefixes; what else is asked for comes from outside
def _area(prefix: str) -> tuple[tuple[float, float] | None, dict[str, str]]:
    """Centroid of a three-digit prefix, and the state of each of its ZIP codes.

    One prefix at a time: a table of all of them would take 140 MB in every process.
    """
    rows = (
        zipcodes.similar_to(prefix)
        if len(prefix) == 3 and prefix.isascii() and prefix.isdigit()
        else []
    )
    places = [(float(r["lat"]), float(r["long"])) for r in rows if r["lat"] and r["long"]]
    states = {r["zip_code"]: r["state"] for r in rows}
    if not places:
        return None, states
    return (fmean(lat for lat, _ in places), fmean(long for _, long in places)), states


def preload() -> None:
    """Read the table now, not while the first order waits."""
    _area("100")


def centroid(postal: str) -> tuple[float, float] | None:
    """Latitude and longitude of a ZIP's three-digit prefix; None when there is none."""
    return _area(postal[:3])[0]


def us_address_problems(postal_code: str, region: str) -> list[str]:
    """What is wrong with a US postal code and state, in words."""
    zip5 = postal_code[:5]
    if not zip5:
        return ["postal code is missing"]
    if not (len(zip5) == 5 and zip5.isascii() and zip5.isdigit()):
        return [f"postal code {zip5!r} is no ZIP code"]
    state = _area(zip5[:3])[1].get(zip5)
    if state is None:
        return [f"ZIP code {zip5} does not exist"]
    if region and len(region) == 2 and state != region.upper():
        return [f"ZIP code {zip5} is in {state}, the address says {region.upper()}"]
    return []
