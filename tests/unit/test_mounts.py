"""A mount namespace for a life: where there can be none, it is said before anything starts."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from crashloop.engines import mounts
from crashloop.engines.possible import require_possible
from crashloop.errors import CapabilityError
from crashloop.faults import KINDS
from crashloop.incidents import incident

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_NAMESPACE = [kind for kind, found in KINDS.items() if found.replaces]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    mounts._unshare.cache_clear()
    yield
    mounts._unshare.cache_clear()


@pytest.mark.parametrize("kind", WITH_NAMESPACE)
def test_a_user_who_may_make_no_namespace_is_told_why_and_what_to_do(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(mounts, "_try", lambda _: "unshare failed: Operation not permitted")
    with pytest.raises(CapabilityError) as raised:
        require_possible(incident(f"fault:{kind}").scenario())
    assert raised.value.message.startswith(f"the fault {kind} needs a mount namespace")
    assert "Operation not permitted" in raised.value.message
    assert "user.max_user_namespaces" in raised.value.hint


def test_a_machine_without_util_linux_is_told_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(CapabilityError, match="no unshare") as raised:
        mounts.require_namespace("name_unknown")
    assert raised.value.hint == "install util-linux"


def test_there_is_none_beside_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CapabilityError, match="this is darwin"):
        mounts.require_namespace("name_unknown")


def test_a_user_gets_a_user_namespace_where_another_may_not_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(mounts, "_try", lambda words: None if "--user" in words else "refused")
    assert "--user" in mounts.in_namespace([])


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
def test_an_unprivileged_user_can_have_files_and_folders_of_its_own() -> None:
    try:
        mounts.require_namespace("any")
    except CapabilityError as error:
        pytest.skip(error.message)
    setpriv = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    how = (shutil.which("unshare") or "", *mounts._OF_A_USER)
    tried = mounts._try((*setpriv, *how, "/bin/sh", "-c", mounts._TRIED))
    assert tried is None or "unshare" in tried, tried
