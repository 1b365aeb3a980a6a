"""Floor 0: the canonical order and everything around it. No I/O, no Temporal, no SQL."""
