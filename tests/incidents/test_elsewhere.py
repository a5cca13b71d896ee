"""The worked example of docs/add-an-incident.md, which is no part of the package, is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from incident_files import FOLDER, NAME

from crashloop.incidents import ELSEWHERE
from crashloop.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.testing import Lab


@pytest.fixture
def _with_the_folder() -> Iterator[None]:
    ELSEWHERE.use(FOLDER)
    yield
    ELSEWHERE.use(None)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("_with_the_folder")
async def test_the_four_runs_of_its_proof_end_as_they_must(lab: Lab) -> None:
    proof = await lab.prove(NAME, time_scale=10.0)  # fair on a busy machine, too

    proof.expect(Verdict.REPRODUCED)
