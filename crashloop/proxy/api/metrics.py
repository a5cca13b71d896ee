"""The figures that /metrics shows, in Prometheus' text format; live while links are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.proxy.api.entry import Entry
    from crashloop.proxy.api.journal import Journal
    from crashloop.proxy.faults import Direction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_DIRECTIONS: tuple[Direction, ...] = ("upstream", "downstream")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def exposition(entries: Iterable[Entry], journal: Journal) -> str:
    """The whole page. The byte counters have Toxiproxy's names and labels.

    A proxy that moves to another address starts again at zero, under its new labels.
    """
    received, sent, links, toxics = [], [], [], []
    for entry in entries:
        proxy = {"proxy": entry.name}
        toxics.append(_sample("crashloop_proxy_toxics", proxy, len(entry.toxics)))
        if entry.plane is None:
            continue
        links.append(_sample("crashloop_proxy_open_links", proxy, entry.plane.links))
        traffic = entry.plane.traffic()
        for direction in _DIRECTIONS:
            labels = {
                "direction": direction,
                "listener": entry.listen,
                "proxy": entry.name,
                "upstream": entry.settings.upstream,
            }
            bytes_in, bytes_out = traffic[direction]
            received.append(_sample("toxiproxy_proxy_received_bytes_total", labels, bytes_in))
            sent.append(_sample("toxiproxy_proxy_sent_bytes_total", labels, bytes_out))
    build = _sample("crashloop_build_info", {"version": __version__}, 1)
    families = (
        ("toxiproxy_proxy_received_bytes_total", "counter", "Bytes received.", received),
        ("toxiproxy_proxy_sent_bytes_total", "counter", "Bytes sent on.", sent),
        ("crashloop_proxy_open_links", "gauge", "Connections that are open now.", links),
        ("crashloop_proxy_toxics", "gauge", "Toxics that a proxy has.", toxics),
        _single("crashloop_events_total", "counter", "Events so far.", journal.newest),
        _single(
            "crashloop_events_missed_total",
            "counter",
            "Events that were dropped before a reader came to them, over all readers.",
            journal.missed,
        ),
        ("crashloop_build_info", "gauge", "Which crashloop this is.", [build]),
    )
    return "".join(
        f"# HELP {name} {says}\n# TYPE {name} {kind}\n{''.join(samples)}"
        for name, kind, says, samples in families
    )


def _single(name: str, kind: str, says: str, value: int) -> tuple[str, str, str, list[str]]:
    return name, kind, says, [_sample(name, {}, value)]


def _sample(name: str, labels: Mapping[str, str], value: int) -> str:
    shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"
