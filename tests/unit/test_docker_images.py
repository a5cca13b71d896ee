"""Which images a run uses, by its environment."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.docker.images import Images, of_scenario
from crashloop.errors import UsageError
from crashloop.incidents import incident

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [field.name for field in fields(Images)]


def variable(name: str) -> str:
    return f"CRASHLOOP_DOCKER_{name.upper()}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "wheels"])
def test_every_variable_overrides_its_own_field_and_no_other(name: str) -> None:
    images = Images.from_environment({variable(name): "given"})

    changed = {each for each in NAMES if getattr(images, each) != getattr(Images(), each)}
    assert changed == {name}
    assert getattr(images, name) == "given"


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_is_empty_overrides_nothing(name: str) -> None:
    assert Images.from_environment({variable(name): ""}) == Images()


def test_a_folder_with_a_wheel_is_used(tmp_path: Path) -> None:
    (tmp_path / "x-1-py3-none-any.whl").touch()

    assert Images.from_environment({variable("wheels"): str(tmp_path)}).wheels == str(tmp_path)


@pytest.mark.parametrize("content", ["", "x-1.tar.gz"])
def test_a_folder_without_wheels_is_named_with_its_variable(tmp_path: Path, content: str) -> None:
    if content:
        (tmp_path / content).touch()

    with pytest.raises(UsageError) as wrong:
        Images.from_environment({variable("wheels"): str(tmp_path)})

    assert f"CRASHLOOP_DOCKER_WHEELS={tmp_path}" in wrong.value.message
    assert "pip download" in wrong.value.hint


def test_a_missing_folder_has_no_wheels(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder with wheels"):
        Images.from_environment({variable("wheels"): str(tmp_path / "missing")})


@pytest.mark.parametrize("pooler", ["", "transaction"])
def test_a_poolers_image_is_used_where_the_scenario_has_one(pooler: str) -> None:
    scenario = incident("fault:hold").scenario(pooler=pooler)

    assert ("pooler" in of_scenario(Images(), scenario).in_use()) is bool(pooler)


def test_the_image_of_an_app_is_its_own_unless_the_variable_names_one() -> None:
    made = incident("fault:hold").scenario()
    scenario = replace(made, app=replace(made.app, image="shop:1"))

    assert of_scenario(Images(), scenario).app_image == "shop:1"
    assert of_scenario(Images(app_image="given:2"), scenario).app_image == "given:2"
