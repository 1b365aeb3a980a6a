"""A spike that is played in a second."""

from __future__ import annotations

from activities.settings import ROOT
from scenarios.parameters import PromoSpike

PATH = ROOT / "config" / "scenarios" / "promo_spike.yaml"
SMALL = PromoSpike(
    days=9, orders_per_day=6, spike_from=3, spike_days=2, skus=12, promoted=3, capacity=0.08
)
