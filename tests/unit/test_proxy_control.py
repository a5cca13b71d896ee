from __future__ import annotations

import json
import subprocess
import sys

import pytest
import requests
import toxiproxy.api
import toxiproxy.exceptions
from canned_server import CannedServer, answering

from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError
from crashloop.proxy.control import Control, Limits, ProxyState, Toxic
from crashloop.proxy.control.consumer import Consumer
from crashloop.proxy.faults import BlackHole, Fault, Hold, Latency

LATENCY = {
    "name": "slow",
    "type": "latency",
    "stream": "downstream",
    "toxicity": 1,
    "attributes": {"latency": 100, "jitter": 0},
}
DB = {
    "name": "db",
    "listen": "[::]:5000",
    "upstream": "10.0.0.1:5432",
    "enabled": True,
    "Logger": {},
    "toxics": [LATENCY],
}


def test_an_answer_becomes_records_and_what_nobody_knows_is_left_out() -> None:
    with answering({"db": DB}) as server:
        proxies = Control(server.url).proxies()
    assert proxies == {
        "db": ProxyState(
            name="db",
            listen="[::]:5000",
            upstream="10.0.0.1:5432",
            toxics=(Toxic(name="slow", type="latency", attributes={"latency": 100, "jitter": 0}),),
        )
    }
    assert str(proxies["db"].address) == "tcp:[::1]:5000"


def test_two_clients_of_two_servers_work_at_once() -> None:
    with answering({"version": "one"}) as one, answering({"version": "two"}) as two:
        first, second = Control(one.url), Control(two.url)
        assert [first.version(), second.version(), first.version()] == ["one", "two", "one"]


def test_a_users_own_toxiproxy_python_goes_on_undisturbed() -> None:
    before = dict(vars(toxiproxy.api.APIConsumer))
    with answering({"version": "ours"}) as ours, answering({}) as theirs:
        toxiproxy.Toxiproxy().update_api_consumer("127.0.0.1", theirs.port)
        try:
            control = Control(f"localhost:{ours.port}")
            assert control.version() == "ours"
            assert toxiproxy.api.APIConsumer.host == "127.0.0.1"
            assert toxiproxy.Toxiproxy().proxies() == {}
            assert control.version() == "ours"
            assert [each.line for each in theirs.exchanges] == ["GET /proxies HTTP/1.1"]
        finally:
            toxiproxy.api.APIConsumer.host = before["host"]
            toxiproxy.api.APIConsumer.port = before["port"]
    assert dict(vars(toxiproxy.api.APIConsumer)) == before


def test_the_repaired_consumer_takes_the_calls_of_the_packages_own() -> None:
    with answering({"a": 1}) as server:
        consumer = Consumer(host="127.0.0.1", port=server.port, limits=Limits())
        assert isinstance(consumer, toxiproxy.api.APIConsumer)
        assert consumer.get("/x", params={"q": "1"}).json() == {"a": 1}
        assert consumer.post("/x", json={"b": 2}).json() == {"a": 1}
        assert consumer.delete("/x").ok
    assert [each.line.split()[:2] for each in server.exchanges] == [
        ["GET", "/x?q=1"],
        ["POST", "/x"],
        ["DELETE", "/x"],
    ]
    assert json.loads(server.exchanges[1].body) == {"b": 2}


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"version": "direct"}) as server, answering({"version": "by proxy"}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        by_proxy = requests.get(f"{server.url}/version", timeout=5)
        assert by_proxy.json() == {"version": "by proxy"}, "the variables do not work here"
        assert Control(server.url).version() == "direct"


def test_names_are_quoted() -> None:
    with answering(DB) as server:
        Control(server.url).proxy("a b/c?d").state()
    assert server.exchanges[0].line == "GET /proxies/a%20b%2Fc%3Fd HTTP/1.1"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_path_is_refused_before_any_call(name: str) -> None:
    with answering(b"") as server:
        with pytest.raises(UsageError, match="cannot be the name of a proxy"):
            Control(server.url).proxy(name)
        with pytest.raises(UsageError, match="cannot be the name of a toxic"):
            Control(server.url).proxy("db").remove_toxic(name)
    assert server.exchanges == []


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("400 Bad Request", toxiproxy.exceptions.InvalidToxic),
        ("403 Forbidden", None),
        ("404 Not Found", toxiproxy.exceptions.NotFound),
        ("409 Conflict", toxiproxy.exceptions.ProxyExists),
    ],
)
def test_a_rejection_has_the_servers_words_and_what_was_asked(
    status: str, cause: type[Exception] | None
) -> None:
    with (
        answering({"error": "not like this", "status": 0}, status=status) as server,
        pytest.raises(UsageError) as raised,
    ):
        Control(server.url).proxy("db").update(upstream="nowhere")
    told = str(raised.value)
    for part in (server.url, "PATCH /proxies/db", status[:3], "not like this", "nowhere"):
        assert part in told
    assert type(raised.value.__cause__) is (cause or type(None))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("500 Internal Server Error", HarnessError),
        ("503 Service Unavailable", HarnessError),
        ("501 Not Implemented", CapabilityError),
    ],
)
def test_a_servers_own_failure_is_told_with_its_words(
    status: str, kind: type[CrashloopError]
) -> None:
    with (
        answering({"error": "address already in use"}, status=status) as server,
        pytest.raises(kind, match="address already in use"),
    ):
        Control(server.url).create(ProxyState(name="db", upstream="127.0.0.1:1"))


def test_a_redirection_is_not_followed() -> None:
    with (
        answering({"version": "elsewhere"}) as other,
        answering(b"", status="302 Found", Location=other.url) as server,
        pytest.raises(HarnessError, match="answered 302"),
    ):
        Control(server.url).version()
    assert other.exchanges == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        b"\xff\xfe",
        b"",
        [],
        {"db": []},
        {"db": {**DB, "name": "other"}},
        {"db": {**DB, "enabled": "yes"}},
        {"db": {**DB, "toxics": {}, "listen": None}},
        {"db": {**DB, "toxics": [{**LATENCY, "stream": "sideways"}]}},
        {"db": {**DB, "toxics": [{**LATENCY, "toxicity": True}]}},
        {"db": {**DB, "toxics": [{**LATENCY, "attributes": [1]}]}},
    ],
    ids=lambda body: repr(body)[:30],
)
def test_an_answer_of_another_shape_is_the_servers_fault(body: object) -> None:
    with answering(body) as server, pytest.raises(HarnessError, match="answer should have"):
        Control(server.url).proxies()


def test_an_attribute_that_the_server_ignores_is_told_and_the_toxic_is_off_again() -> None:
    wrong = Toxic(name="slow", type="latency", attributes={"latency": 100, "connections": 3})
    with answering(LATENCY) as server, pytest.raises(UsageError, match="ignores connections"):
        Control(server.url).proxy("db").add_toxic(wrong)
    assert [each.line.split()[:2] for each in server.exchanges] == [
        ["POST", "/proxies/db/toxics"],
        ["DELETE", "/proxies/db/toxics/slow"],
    ]


def test_an_update_with_an_unknown_attribute_changes_nothing() -> None:
    with answering(LATENCY) as server, pytest.raises(UsageError, match="ignores latancy"):
        Control(server.url).proxy("db").update_toxic("slow", attributes={"latancy": 5})
    assert [each.line.split()[0] for each in server.exchanges] == ["GET"]


def test_a_number_that_json_does_not_know_is_refused_before_any_call() -> None:
    endless = Toxic(type="latency", attributes={"latency": float("inf")})
    with answering(LATENCY) as server, pytest.raises(UsageError, match="cannot send"):
        Control(server.url).proxy("db").add_toxic(endless)
    assert server.exchanges == []


def test_the_last_event_number_is_the_highest_that_any_answer_told() -> None:
    with CannedServer(
        lambda each: each.answer({"version": "x"}, X_Crashloop_Seq=seqs.pop(0))
    ) as server:
        seqs = ["7", "12", "9"]
        control = Control(server.url)
        assert control.last_seq is None
        seen = [(control.version(), control.last_seq)[1] for _ in range(3)]
    assert seen == [7, 12, 12]
    assert control.is_built_in


@pytest.mark.parametrize("seq", ["-1", "many", "1.5", "²", "9" * 5000])
def test_an_event_number_that_is_none_is_the_servers_fault(seq: str) -> None:
    with (
        CannedServer(lambda each: each.answer({}, X_Crashloop_Seq=seq)) as server,
        pytest.raises(HarnessError, match="not a number"),
    ):
        Control(server.url).proxies()


def test_what_a_toxiproxy_cannot_do_is_not_even_asked_of_it() -> None:
    with answering({"version": "2.12.0"}) as server:
        control = Control(server.url)
        with_toxics = ProxyState(name="a", upstream="b:1", toxics=(Toxic(type="hold"),))
        for ask in (
            lambda: control.create(with_toxics),
            lambda: control.populate([with_toxics]),
            control.events,
            lambda: control.watch([1]),
            lambda: control.proxy("a").links(),
        ):
            with pytest.raises(CapabilityError, match="is a Toxiproxy"):
                ask()
    assert [each.line for each in server.exchanges] == ["GET /version HTTP/1.1"]
    assert control.last_seq is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://127.0.0.1:1",
        "http://h:1/path",
        "http://h:x",
        "http://u@h:1",
        "unix:/a",
        "http://a b:1",
        "http://h:0",
    ],
)
def test_what_is_not_a_servers_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not the address of a fault proxy"):
        Control(url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://db:1234/", "http://db:1234"),
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("http://[::1]:1234", "http://[::1]:1234"),
        ("localhost", "http://localhost:8474"),
    ],
)
def test_an_address_may_be_a_url_or_a_host_and_a_port(url: str, base: str) -> None:
    assert Control(url).url == base


def test_to_import_the_client_loads_no_requests() -> None:
    code = (
        "import sys, crashloop.proxy.control;"
        "print(sorted({'requests', 'toxiproxy', 'future', 'httpx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize(
    "fault",
    [Hold(), BlackHole(), Latency(latency_s=0.1, connections=3), Latency(latency_s=0.0005)],
)
def test_a_fault_that_only_the_built_in_proxy_knows_is_not_asked_of_a_toxiproxy(
    fault: Fault,
) -> None:
    with (
        answering({"version": "2.12.0"}) as server,
        pytest.raises(CapabilityError, match="is a Toxiproxy and does not know"),
    ):
        Control(server.url).proxy("db").inject("fault", fault)
    assert [each.line for each in server.exchanges] == ["GET /version HTTP/1.1"]


def test_a_fault_record_is_sent_in_the_apis_own_units() -> None:
    with answering(LATENCY) as server:
        proxy = Control(server.url).proxy("db")
        fault = Latency(latency_s=0.1, direction="upstream", toxicity=0.5)
        proxy.inject("slow", fault)
        proxy.change("slow", Latency(latency_s=0.2, direction="upstream"))
        proxy.heal("slow")
    assert [
        (each.line.rpartition(" ")[0], json.loads(each.body or b"null"))
        for each in server.exchanges
    ] == [
        (
            "POST /proxies/db/toxics",
            {
                "name": "slow",
                "type": "latency",
                "stream": "upstream",
                "toxicity": 0.5,
                "attributes": {"latency": 100, "jitter": 0},
            },
        ),
        ("GET /proxies/db/toxics/slow", None),
        (
            "PATCH /proxies/db/toxics/slow",
            {"attributes": {"latency": 200, "jitter": 0}, "toxicity": 1},
        ),
        ("DELETE /proxies/db/toxics/slow", None),
    ]
