"""The compose file parses, and starts the same entry points with the same settings."""

from __future__ import annotations

import yaml

from activities.settings import ROOT
from store.audit import KEY_VARIABLE as AUDIT_KEY
from store.personal import KEY_VARIABLE as PII_KEY

COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_worker_and_gateway_are_the_same_entry_points_as_at_home() -> None:
    services = COMPOSE["services"]
    assert services["worker"]["command"] == ["python", "worker.py"]
    assert services["gateway"]["command"][:2] == ["meshline", "gateway"]
    for name in ("worker", "gateway"):
        assert services[name]["environment"]["MESHLINE_DATABASE_URL"].startswith(
            "postgresql+psycopg"
        )


def test_every_secret_that_the_network_file_names_has_a_line_in_the_example() -> None:
    network = yaml.safe_load((ROOT / "config" / "network.yaml").read_text())
    wanted = {PII_KEY, AUDIT_KEY}
    for connector in network["connectors"]:
        wanted |= {connector[k] for k in ("secret_env", "webhook_secret_env") if k in connector}
    lines = (ROOT / "docker" / "env.example").read_text().splitlines()
    assert wanted <= {line.split("=")[0] for line in lines}


def test_the_image_runs_as_nobody_special() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    assert "USER meshline" in text
    assert "--require-hashes" in text
