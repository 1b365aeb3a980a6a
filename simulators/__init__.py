"""The staging harness: vendors played by separate processes on loopback.

Each simulator speaks its vendor's own wire format over HTTP, injects faults decided by a
seed, and keeps an append-only ledger of effects that an outside checker reads. Nothing
here imports the product, and nothing of the product imports this.
"""
