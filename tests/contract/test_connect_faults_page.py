"""The page of what clients report is what the clients, run again, report."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from client_reports.cases import CASES, TRANSPORTS
from client_reports.clients import CLIENTS
from client_reports.lab import cell, counts_refusals, lab
from client_reports.page import COMMAND, PAGE, TITLES, page, read, receipts, rows_over, said

from crashloop.model import Transport

if TYPE_CHECKING:
    from client_reports.clients import Client
    from client_reports.lab import Column
    from databases import DatabaseServer

TEXT = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")
NEEDS_A_RIGHT = "gate.refused"


async def _column(database: DatabaseServer, client: Client) -> Column | str:
    async with lab(database) as made:
        return await made.column(client)


@pytest.mark.skipif(sys.platform != "linux", reason="black hole and connect delay: Linux")
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_reports_what_the_page_says(
    client: Client, database_server: DatabaseServer
) -> None:
    if missing := client.missing():
        pytest.skip(missing)
    tables, _ = read(TEXT)
    column = asyncio.run(_column(database_server, client))
    place = 1 + CLIENTS.index(client)
    differ = []
    for over in TRANSPORTS:
        rows = {row[0]: row for row in tables[over]}
        for case in rows_over(over):
            found = cell(column, over, case)
            assert not isinstance(found, str)
            seen, events = rows[case.name][place], rows[case.name][-1]
            if not counts_refusals() and NEEDS_A_RIGHT in events:
                events = receipts(case, ())
            for now, committed in ((said(found), seen), (receipts(case, found.events), events)):
                if now != committed:
                    differ.append(f"{case.name} over {over}: {now}; the page has: {committed}")
    assert not differ, "\n".join([*differ, f"Is that meant? Then run: {COMMAND}"])


def test_the_words_around_the_tables_are_fresh() -> None:
    assert page(*read(TEXT)) == TEXT, f"run: {COMMAND}"


def test_every_case_has_its_line_and_every_client_its_cell() -> None:
    tables, _ = read(TEXT)
    for over in TRANSPORTS:
        assert [row[0] for row in tables[over]] == [case.name for case in rows_over(over)]
        assert {len(row) for row in tables[over]} == {len(TITLES)}
    assert len(tables[Transport.TCP]) == len(CASES)
