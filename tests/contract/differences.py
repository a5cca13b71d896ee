"""Where the built-in proxy differs from Toxiproxy 2.12 on purpose: the only list of it.

Every record is shown by a test marked with its id, on both proxies. As a program it prints the
page of the documentation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

Topic = Literal["Connections", "Toxics", "Requests and answers", "What Toxiproxy does not have"]

PAGE = "docs/toxiproxy-differences.md"
COMMAND = f"python tests/contract/differences.py > {PAGE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: what each proxy does, in a sentence or two, and why ours does it so."""

    id: str
    topic: Topic
    toxiproxy: str
    ours: str
    why: str


DIFFERENCES = (
    Difference(
        id="half-close",
        topic="Connections",
        toxiproxy="An end that stops writing has both directions closed: the answer is lost.",
        ours="The other direction goes on until it ends by itself.",
        why="TCP has half-close, and clients that end their request with it wait for an answer.",
    ),
    Difference(
        id="refused-upstream",
        topic="Connections",
        toxiproxy="An upstream that refuses shows as an orderly end without data.",
        ours="It shows as a reset; then the proxy refuses, too, until the upstream is back.",
        why="A client tells a dead server from one that said nothing (its issue 265).",
    ),
    Difference(
        id="disabled-keeps-port",
        topic="Connections",
        toxiproxy="A disabled proxy gives its port back; any process can take it meanwhile.",
        ours="The port refuses and stays ours.",
        why="Enabling it again cannot fail, and a refusal is proven to be the proxy's.",
    ),
    Difference(
        id="failed-update",
        topic="Connections",
        toxiproxy="An update to a listen address that cannot be used leaves the proxy disabled.",
        ours="Such an update is answered 500 too, and the proxy goes on as it was.",
        why="A mistake in a request does not become an outage of its own.",
    ),
    Difference(
        id="no-host",
        topic="Connections",
        toxiproxy="A listen address without a host means every interface.",
        ours="It means the loopback; every interface where it is written: 0.0.0.0 or [::].",
        why="A test's proxy is not open to the network by oversight.",
    ),
    Difference(
        id="later-latency",
        topic="Toxics",
        toxiproxy=(
            "A second latency in one stream is cut short for a chunk that waited for another one "
            "before it: the time is moved on by the wait alone, not by the delay."
        ),
        ours="Every latency counts in full.",
        why="Latencies of 120 ms and 120 ms are 240 ms for every chunk, not 210.",
    ),
    Difference(
        id="others-left-alone",
        topic="Toxics",
        toxiproxy=(
            "Adding or removing a toxic releases what its neighbour holds, and draws that one's "
            "toxicity anew."
        ),
        ours="The other toxics do not notice.",
        why="A fault's receipt stays true whatever is injected next.",
    ),
    Difference(
        id="reset-of-open-links",
        topic="Toxics",
        toxiproxy="reset_peer ends a connection that was open before it in an orderly way.",
        ours="It resets that one as well.",
        why="A reset is what it is for.",
    ),
    Difference(
        id="removal-while-waiting",
        topic="Toxics",
        toxiproxy=(
            "Removing a reset_peer that waits for its time blocks until then, and so does every "
            "other request about that proxy (its issues 558 and 760)."
        ),
        ours="It is removed at once.",
        why="A heal takes effect when it is asked for.",
    ),
    Difference(
        id="fractions",
        topic="Toxics",
        toxiproxy="Times and rates are whole numbers; 1.5 and 1e3 are answered 400.",
        ours="Both are taken.",
        why="A scaled scenario divides its times.",
    ),
    Difference(
        id="meaningless-attributes",
        topic="Toxics",
        toxiproxy=(
            "Negative times, sizes and rates, a toxicity outside 0 to 1 and a slicer of 0 bytes "
            "are accepted. A negative rate and a slicer of 0 bytes crash it when data comes."
        ),
        ours="They are answered 400, with the attribute's name; so is their update.",
        why="A typing error shows where it was made.",
    ),
    Difference(
        id="failed-toxic-update",
        topic="Toxics",
        toxiproxy="An update that is answered 400 may have changed some attributes all the same.",
        ours="It has changed nothing.",
        why="An error means that nothing was done.",
    ),
    Difference(
        id="toxics-in-one-step",
        topic="Requests and answers",
        toxiproxy="`toxics` in POST /proxies and in POST /populate are passed over.",
        ours="Proxy and toxics are made together, or not at all.",
        why="No connection slips in between (its issue 148).",
    ),
    Difference(
        id="toxics-in-config",
        topic="Requests and answers",
        toxiproxy="`toxics` in the configuration file are passed over.",
        ours="They are there from the start.",
        why="The same (its issue 447).",
    ),
    Difference(
        id="populate-shows-the-end",
        topic="Requests and answers",
        toxiproxy="POST /populate with a name twice shows the first as it was stopped.",
        ours="It shows the proxy twice, as it is.",
        why="What is shown is there.",
    ),
    Difference(
        id="populate-keeps-any-port",
        topic="Requests and answers",
        toxiproxy="POST /populate replaces a proxy that was asked for at port 0, at every call.",
        ours="The same entry again keeps the proxy, its port and its connections.",
        why="Port 0 asks for any port, and the proxy has one.",
    ),
    Difference(
        id="warnings",
        topic="Requests and answers",
        toxiproxy="Unknown members and attributes, and an upstream that is a URL, pass in silence.",
        ours="The answer has the same status and `warnings`, a list of sentences that name them.",
        why="A typing error shows where it was made.",
    ),
    Difference(
        id="named-types",
        topic="Requests and answers",
        toxiproxy='A toxic of an unknown type is answered "invalid toxic type".',
        ours="The answer also has the type that was given and those that there are.",
        why="A typing error shows where it was made.",
    ),
    Difference(
        id="reset-goes-on",
        topic="Requests and answers",
        toxiproxy="POST /reset stops at the first proxy that it cannot enable, in random order.",
        ours="It resets all the others, and then tells the first error.",
        why="Healing heals all that it can.",
    ),
    Difference(
        id="slash-in-names",
        topic="Requests and answers",
        toxiproxy="A proxy or toxic with a slash in its name can be made, but never addressed.",
        ours="%2F in the path is a slash in the name.",
        why="What can be made can be removed.",
    ),
    Difference(
        id="limits",
        topic="Requests and answers",
        toxiproxy="A request may be as large as memory allows, and so may a name.",
        ours="A body above 1 MiB is answered 413, a name of more than 2,000 characters 400.",
        why="Everything is bounded.",
    ),
    Difference(
        id="live-metrics",
        topic="Requests and answers",
        toxiproxy="The byte counters of /metrics move when a connection ends.",
        ours="They move with the bytes.",
        why="A connection that hangs is the one to look at.",
    ),
    Difference(
        id="metrics-of-removed",
        topic="Requests and answers",
        toxiproxy="The byte counters of a removed proxy stay for ever, if -proxy-metrics is given.",
        ours="They go with the proxy; /metrics is always there.",
        why="Everything is bounded.",
    ),
    Difference(
        id="more-headers",
        topic="Requests and answers",
        toxiproxy="A 405 does not say which methods there are.",
        ours="It does (Allow), and every answer has X-Crashloop-Seq: the newest event's number.",
        why="The number says from where to read GET /events.",
    ),
    Difference(
        id="seed",
        topic="What Toxiproxy does not have",
        toxiproxy="-seed has no effect: every run draws other connections (its issue 610).",
        ours="--seed repeats every draw.",
        why="A failure that was seen can be seen again.",
    ),
    Difference(
        id="unix-sockets",
        topic="What Toxiproxy does not have",
        toxiproxy="TCP only.",
        ours="`listen` and `upstream` may be unix:/path.",
        why="Cloud SQL's path is a Unix socket.",
    ),
    Difference(
        id="connect-faults",
        topic="What Toxiproxy does not have",
        toxiproxy="Every connection is accepted at once; only `enabled` false refuses.",
        ours="Toxics hold, accept_close, refuse, black_hole and connect_delay act on connect().",
        why="Outages begin there (its issues 123, 72, 410 and 536).",
    ),
    Difference(
        id="first-connections",
        topic="What Toxiproxy does not have",
        toxiproxy="An attribute `connections` is unknown, and passed over.",
        ours="`connections` N: the first N connections that come, then recovery.",
        why="Retries are tested by an outage that ends (its issue 404).",
    ),
    Difference(
        id="more-pages",
        topic="What Toxiproxy does not have",
        toxiproxy="GET /events and /proxies/NAME/links, POST /watch: 404.",
        ours="They are there: what happened, the open links, the processes to watch.",
        why="A fault without evidence proves nothing (its issues 266 and 414).",
    ),
)


def page() -> str:
    """The page, as Markdown."""
    lines = [
        "# What differs from Toxiproxy",
        "",
        "`crashloop proxy` speaks the HTTP API of Toxiproxy 2.12; its clients work unchanged. The",
        "suite in `tests/contract` runs the same tests against both, and shows each difference",
        "below on both. Whatever is not listed is meant to be the same.",
        "",
        "One difference is not shown, as it would open a port to the network: `0.0.0.0` listens on",
        "IPv4 alone; Toxiproxy takes it for `[::]` and listens on both families.",
        "",
        f"This page is made by `{COMMAND}`.",
    ]
    for topic in dict.fromkeys(difference.topic for difference in DIFFERENCES):
        lines += ["", f"## {topic}", "", "| id | Toxiproxy 2.12 | crashloop | why |"]
        lines.append("|---|---|---|---|")
        lines += [
            f"| `{one.id}` | {one.toxiproxy} | {one.ours} | {one.why} |"
            for one in DIFFERENCES
            if one.topic == topic
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
