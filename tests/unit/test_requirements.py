"""What is installed in the app's container is what pyproject.toml says the app needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_sample_apps_image_installs_what_the_extra_sample_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["sample"]

    image = (ROOT / "app_under_test" / "requirements.txt").read_text(encoding="utf-8")

    assert image.splitlines() == extra
