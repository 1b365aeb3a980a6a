"""Entry of the `meshline` command; the verbs are in cli/."""

from __future__ import annotations

from cli.app import main

if __name__ == "__main__":
    main()
