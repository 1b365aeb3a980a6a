"""Writes the example merchant's exports: `python -m examples.generate [--out DIR]`.

The same arguments always write the same bytes. Orders are written one at a time, so that
large files need no memory: `python -m examples.generate --out big --orders 20000 --oms 0`
gives an order export of 20,000 orders with the stock to match. Everything is invented.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from examples.oms_orders import write_oms_orders
from examples.shop_orders import write_orders
from examples.wares import write_inventory, write_items, write_products

ORDERS, OMS = 260, 110


def generate(out: Path, orders: int, oms: int, seed: int) -> dict[str, object]:
    """Write the five files into a directory. Returns what they hold."""
    out.mkdir(parents=True, exist_ok=True)
    return {
        "products_export.csv": {"skus": write_products(out / "products_export.csv")},
        "items.csv": {"skus": write_items(out / "items.csv")},
        "inventory_export.csv": {"rows": write_inventory(out / "inventory_export.csv", orders)},
        "orders_export.csv": dict(
            sorted(write_orders(out / "orders_export.csv", orders - oms, seed).items())
        ),
        "oms_orders.json": dict(
            sorted(write_oms_orders(out / "oms_orders.json", oms, seed).items())
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.generate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path(__file__).parent, help="directory (default: examples/)")
    add("--orders", type=int, default=ORDERS, help=f"orders in all (default: {ORDERS})")
    add("--oms", type=int, default=None, help=f"how many of them at Medusa (at most {OMS})")
    add("--seed", type=int, default=1, help="another seed, other orders")
    options = parser.parse_args(arguments)
    oms = min(OMS, options.orders * OMS // ORDERS) if options.oms is None else options.oms
    if not 0 <= oms <= options.orders:
        parser.error(f"--oms must be from 0 to {options.orders}")
    written = generate(options.out, options.orders, oms, options.seed)
    print(json.dumps(written, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
