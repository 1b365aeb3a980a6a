"""What the example merchant sells, and the files that say so: products, items, inventory.

Everything is invented: an outdoor and home shop whose goods range from a whistle to a stove.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VENDOR = "Invented Outfitters"
# The nodes of config/network.yaml by the letter used below: location, share of the stock.
PLACES = {
    "N": ("Newark DC", 36),
    "M": ("Memphis DC", 26),
    "R": ("Reno DC", 24),
    "C": ("Chicago 3PL", 22),
}
UNITS_AN_ORDER = 3.6  # what basket.py comes to on average
COVER = 3.0  # stock is so many times what the orders are expected to take
SCARCE_COVER = 0.35
BULKY = (("FIRE-PIT-60", 6), ("STOVE-IRON-L", 3))  # far over $150 to ship from anywhere

# sku|title|option|grams|length x width x height in mm|cost|price (cents)|flags|where|demand
# flags: f fragile, h hazardous, a ships alone, s final sale, d digital;
#        c no cost and w no weight in the product export; i not in items.csv; x scarce
_TABLE = """
WHISTLE-ORG|Pealess whistle|Color: Orange|12|60x25x18|95|499||NMRC|14
WHISTLE-BLK|Pealess whistle|Color: Black|12|60x25x18|95|499||NMRC|8
CARABINER-S|Locking carabiner|Size: S|48|75x45x14|310|899||NMRC|14
CARABINER-L|Locking carabiner|Size: L|86|115x70x16|420|1199||NMRC|9
PARACORD-15|Paracord 15 m||120|120x90x50|260|799||NMR|12
MATCHES-STM|Storm matches, pack of 3||95|110x80x40|240|899|h|NM|7
COMPASS-01|Sighting compass||105|110x70x25|1450|3400|f|NMRC|7
HEADLAMP-BK|Headlamp 400 lm|Color: Black|88|90x70x60|1280|3495||NMRC|16
HEADLAMP-RD|Headlamp 400 lm|Color: Red|88|90x70x60|1280|3495||NMR|6
SOCKS-M|Merino hiking socks|Size: M|80|180x110x45|620|1899||NMRC|18
SOCKS-L|Merino hiking socks|Size: L|90|180x110x45|620|1899||NMRC|16
SOCKS-XL|Merino hiking socks|Size: XL|96|180x110x45|620|1899|x|N|9
BEANIE-GRY|Wool beanie|Color: Grey|95|200x160x40|540|1699||NMRC|13
BEANIE-RED|Wool beanie|Color: Red|95|200x160x40|540|1699|i|NMRC|9
GLOVES-M|Softshell gloves|Size: M|130|240x130x45|1120|2999||NMRC|9
GLOVES-L|Softshell gloves|Size: L|140|240x130x45|1120|2999||NMRC|9
BUFF-BLUE|Neck warmer||60|160x120x20|300|1200|wi|NMRC|11
BOTTLE-750|Steel bottle 750 ml|Size: 750 ml|340|270x75x75|780|2400||NMRC|17
BOTTLE-1L|Steel bottle 1 l|Size: 1 l|410|310x85x85|910|2900||NMRC|10
MUG-ENAMEL|Enamel mug|Color: Cream|180|130x95x90|320|1150|f|NMRC|16
MUG-ENAM-GR|Enamel mug|Color: Green|180|130x95x90|320|1150|f|NMRC|9
FLASK-500|Vacuum flask 500 ml||420|260x80x80|1180|3200||NMRC|10
SPORK-TI|Titanium spork||18|165x40x15|410|1400||MRC|12
KNIFE-FOLD|Folding camp knife||140|130x40x30|1390|3900||NMR|6
POT-SET-2|Camp pot set, 2 pieces||640|210x210x130|1740|4900||NMRC|9
STOVE-GAS|Canister stove||110|110x85x60|1690|4500||NMRC|7
FUEL-230|Fuel canister 230 g|Size: 230 g|380|110x110x95|310|799|h|NM|10
FUEL-450|Fuel canister 450 g|Size: 450 g|680|140x115x115|480|1199|h|NM|6
BEAR-SPRAY|Bear spray||390|240x60x60|1900|4400|hs|M|3
FILTER-H2O|Water filter||165|200x70x60|1560|3900||NMRC|8
FIRSTAID-M|First-aid kit, M||310|190x130x70|1020|2800||NMRC|9
TOWEL-L|Fast-dry towel, L||230|250x130x50|610|1900|c|R|9
LANTERN-GLS|Glass lantern||900|290x170x170|1480|4200|f|NC|7
CANDLE-3|Beeswax candles, 3 pieces||420|220x90x70|560|1800|i|C|9
BLANKET-WL|Wool blanket||1450|420x320x120|3100|8900||NMRC|7
PILLOW-CMP|Camp pillow||260|300x180x110|690|2200||M|8
HAMMOCK-2|Hammock for two||720|230x160x140|1820|4900||RC|7
PAD-FOAM|Foam sleeping pad||410|520x190x150|1050|3400||NMRC|7
PAD-AIR-R|Air sleeping pad|Size: Regular|480|250x120x120|3300|8900||NMRC|6
PAD-AIR-W|Air sleeping pad|Size: Wide|590|280x130x130|3700|9900|x|R|7
BAG-DOWN-R|Down sleeping bag|Size: Regular|980|380x220x220|8200|21900||NMRC|5
BAG-DOWN-L|Down sleeping bag|Size: Long|1080|400x220x220|8700|23900||NMC|4
TENT-1P|Trail tent|Size: 1 person|1250|430x140x140|9100|22900||NMRC|4
TENT-2P|Trail tent|Size: 2 persons|1980|480x170x170|11800|29900||NMRC|5
TENT-4P|Family tent||6900|680x260x260|15400|38900||NMC|3
TARP-3X3|Tarp 3 x 3 m||790|320x160x110|2100|5400||NMRC|6
PACK-28|Day pack 28 l||880|480x300x120|3300|8900||NMRC|8
PACK-55|Trekking pack 55 l||1740|680x340x180|6100|16900||NMRC|4
POLES-PAIR|Trekking poles, pair||520|660x120x70|2700|6900||NMRC|7
CHAIR-LOW|Low camp chair||2300|620x180x180|2500|6900||NMRC|6
TABLE-ROLL|Roll-up table||3100|720x180x170|3400|8900||NMR|5
COOLER-28|Hard cooler 28 l||6200|560x380x400|6800|17900|a|NMRC|3
DUTCH-OVEN|Cast-iron Dutch oven 6 l||7400|320x320x230|3900|9900||NMC|4
SKILLET-26|Cast-iron skillet 26 cm||2350|430x290x70|1500|3900||NMRC|8
PLATES-STN|Stoneware plates, 4 pieces||2900|300x300x120|2200|5900|f|NC|5
VASE-GLASS|Hand-blown vase||1300|330x190x190|1900|5200|fs|N|3
RUG-JUTE|Jute rug 120 x 180||5200|1220x200x200|4100|11900|a|NC|3
FIRE-PIT-60|Steel fire pit 60 cm||24000|640x640x300|8800|21900|a|NMR|1
STOVE-IRON-L|Cast-iron garden stove||41000|720x460x460|21500|48900|a|NMR|1
KAYAK-INFL|Inflatable kayak||15800|820x480x330|19800|44900|a|MR|2
LAMP-HEAD-X|Headlamp 1200 lm, limited||140|110x80x70|3900|9900|x|C|10
CHARM-PIN|Enamel trail pin||8|50x40x10||450|cwi|NMRC|7
GIFT-25|Gift card|Value: $25|0|||2500|d||5
GIFT-50|Gift card|Value: $50|0|||5000|d||4
EBOOK-KNOTS|Field guide to knots (e-book)||0|||900|d||4
"""


@dataclass(frozen=True)
class Ware:
    """One SKU. Grams, millimetres, cents; ``sides`` is empty for what is digital."""

    sku: str
    title: str
    option: str
    grams: int
    sides: tuple[int, ...]
    cost: int
    price: int
    flags: str
    where: str
    demand: int

    @property
    def handle(self) -> str:
        words = "".join(c if c.isalnum() else " " for c in self.title.lower()).split()
        return "-".join(words)

    @property
    def digital(self) -> bool:
        return "d" in self.flags

    @property
    def name(self) -> str:
        """As an order line names it."""
        value = self.option.partition(": ")[2]
        return f"{self.title} - {value}" if value else self.title

    @property
    def shipping_pounds(self) -> float:
        """The larger of weight and dimensional weight (cubic inches / 139)."""
        cubic = math.prod(side / 25.4 for side in self.sides) if self.sides else 0.0
        return max(self.grams / 453.6, cubic / 139)


def _ware(line: str) -> Ware:
    sku, title, option, grams, sides, cost, price, flags, where, demand = line.split("|")
    return Ware(
        sku, title, option, int(grams), tuple(int(x) for x in sides.split("x") if x),
        int(cost or 0), int(price), flags, where, int(demand),
    )  # fmt: skip


WARES = tuple(_ware(line) for line in _TABLE.strip().splitlines())
BY_SKU = {ware.sku: ware for ware in WARES}
PRODUCT_COLUMNS = (
    "Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published",
    "Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams", "Variant Inventory Tracker",
    "Variant Inventory Qty", "Variant Inventory Policy", "Variant Fulfillment Service",
    "Variant Price", "Variant Compare At Price", "Variant Requires Shipping", "Variant Taxable",
    "Variant Barcode", "Image Src", "Image Position", "Gift Card", "Variant Weight Unit",
    "Cost per item", "Status",
)  # fmt: skip
ITEM_COLUMNS = (
    "sku", "length_mm", "width_mm", "height_mm", "weight_g", "unit_cost_minor", "fragile",
    "hazmat", "ships_alone", "final_sale",
)  # fmt: skip
INVENTORY_COLUMNS = (
    "Handle", "Title", "Option1 Name", "Option1 Value", "SKU", "HS Code", "COO", "Location",
    "Incoming (not editable)", "Unavailable (not editable)", "Committed (not editable)",
    "Available (not editable)", "On hand (current)", "On hand (new)",
)  # fmt: skip


def write_products(path: Path) -> int:
    """The product export: one row a variant, a product's own fields only on its first row."""
    with path.open("w", newline="", encoding="utf-8") as lines:
        out = csv.DictWriter(lines, PRODUCT_COLUMNS, restval="", lineterminator="\n")
        out.writeheader()
        before = ""
        for ware in WARES:
            first = ware.handle != before
            before = ware.handle
            name, _, value = (ware.option or "Title: Default Title").partition(": ")
            row = {
                "Handle": ware.handle, "Option1 Name": name if first else "",
                "Option1 Value": value, "Variant SKU": ware.sku,
                "Variant Grams": "" if "w" in ware.flags else f"{ware.grams}.0",
                "Variant Inventory Tracker": "" if ware.digital else "shopify",
                "Variant Inventory Policy": "deny", "Variant Fulfillment Service": "manual",
                "Variant Price": money(ware.price), "Variant Taxable": "true",
                "Variant Requires Shipping": "false" if ware.digital else "true",
                "Variant Weight Unit": "g",
                "Cost per item": "" if "c" in ware.flags or ware.digital else money(ware.cost),
            }  # fmt: skip
            if first:
                row |= {
                    "Title": ware.title, "Body (HTML)": f"<p>{ware.title}. Invented.</p>",
                    "Vendor": VENDOR, "Published": "true", "Status": "active",
                    "Type": "Digital" if ware.digital else "Outdoor and home",
                    "Gift Card": "true" if ware.sku.startswith("GIFT") else "false",
                }  # fmt: skip
            out.writerow(row)
    return len(WARES)


def write_items(path: Path) -> int:
    """items.csv: what a product export cannot say, for most SKUs."""
    known = [w for w in WARES if not w.digital and "i" not in w.flags]
    with path.open("w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(ITEM_COLUMNS)
        for ware in known:
            flags = ["yes" if flag in ware.flags else "" for flag in "fhas"]
            cost = "" if "c" in ware.flags else str(ware.cost)
            out.writerow([ware.sku, *ware.sides, ware.grams, cost, *flags])
    return len(known)


def write_inventory(path: Path, orders: int) -> int:
    """The inventory export: every tracked SKU at every location, stocked or not."""
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(INVENTORY_COLUMNS)
        for ware in WARES:
            if ware.digital:
                continue
            name, _, value = (ware.option or "Title: Default Title").partition(": ")
            head = [ware.handle, ware.title, name, value, ware.sku, "", "US"]
            units = stock(ware, orders)
            for letter, (location, _share) in PLACES.items():
                out.writerow([*head, location, *_counts(units.get(letter))])
                rows += 1
    return rows


def _counts(units: int | None) -> list[str]:
    """Incoming, unavailable, committed, available, on hand (current), on hand (new)."""
    if units is None:
        return ["not stocked"] * 5 + [""]
    damaged = units // 15
    return ["0", str(damaged), "0", str(units - damaged), str(units), ""]


def stock(ware: Ware, orders: int) -> dict[str, int]:
    """Units on hand by node letter, in proportion to what so many orders will take."""
    expected = orders * UNITS_AN_ORDER * ware.demand / sum(w.demand for w in WARES)
    cover = SCARCE_COVER if "x" in ware.flags else COVER
    bulk = dict(BULKY).get(ware.sku, 0) * math.ceil(orders / 60)
    shares = dict(_shares(ware))
    whole = sum(shares.values())
    least = 0 if "x" in ware.flags else 4
    return {
        letter: least + math.ceil((expected * cover + bulk * 1.5) * share / whole)
        for letter, share in shares.items()
    }


def _shares(ware: Ware) -> Iterator[tuple[str, int]]:
    for letter in ware.where:
        yield letter, PLACES[letter][1]


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
