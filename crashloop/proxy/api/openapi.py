"""The API described in OpenAPI 3.1, made from the tables that the API itself goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop import __version__
from crashloop.proxy.api.decode import INT64_MAX, flag
from crashloop.proxy.api.journal import BATCH_EVENTS
from crashloop.proxy.api.kinds import KINDS
from crashloop.proxy.api.message import JSON, LINES
from crashloop.proxy.api.wanted import MAX_NAME_CHARS

if TYPE_CHECKING:
    from crashloop.proxy.api.kinds import Attribute, Kind

Node = dict[str, Any]

_TEXT = "text/plain"
_NAME: Node = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}
_ERROR_STATUSES = {
    400: "The body is not JSON, not of this shape, or asks for what has no meaning.",
    404: "There is no proxy, or no toxic, of this name.",
    409: "The name is taken, or another fault has the port.",
    413: "The body is too large.",
    500: "An address cannot be listened on, or the machine failed at it.",
    501: "This machine, or a Unix socket, cannot do it.",
    503: "Too many connections, or not done in time.",
}


def document() -> Node:
    """The whole page."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crashloop proxy",
            "version": __version__,
            "description": "Toxiproxy 2.12's API, and extensions: connect-level faults, Unix "
            "sockets, toxics together with their proxy, events. Requests of browsers (a "
            "User-Agent that begins with Mozilla/) get 403. Every response has the header "
            "X-Crashloop-Seq: the number of the newest event.",
        },
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> Node:
    proxy, toxic = _parameter("proxy"), _parameter("toxic")
    change = {
        "summary": "Change a proxy; toxics in the body are ignored.",
        "requestBody": _body("ProxyChange"),
        "responses": _answers({200: "Proxy"}, 400, 404, 409, 413, 500, 501, 503),
    }
    retune = {
        "summary": "Change a toxic's attributes or toxicity; what is not given stays.",
        "requestBody": _body("ToxicChange"),
        "responses": _answers({200: "Toxic"}, 400, 404, 409, 413, 500, 501, 503),
    }
    return {
        "/proxies": {
            "get": _operation("All proxies by name.", {200: "Proxies"}),
            "post": {
                "summary": "Make a proxy, with its toxics, or nothing.",
                "requestBody": _body("NewProxy"),
                "responses": _answers({201: "Proxy"}, 400, 409, 413, 500, 501, 503),
            },
        },
        "/proxies/{proxy}": {
            "parameters": [proxy],
            "get": _operation("One proxy.", {200: "Proxy"}, 404),
            "post": change,
            "patch": change,
            "delete": _operation("Remove a proxy.", {204: ""}, 404, 503),
        },
        "/proxies/{proxy}/toxics": {
            "parameters": [proxy],
            "get": _operation("A proxy's toxics.", {200: "Toxics"}, 404),
            "post": {
                "summary": "Make a toxic.",
                "requestBody": _body("NewToxic"),
                "responses": _answers({200: "Toxic"}, 400, 404, 409, 413, 500, 501, 503),
            },
        },
        "/proxies/{proxy}/toxics/{toxic}": {
            "parameters": [proxy, toxic],
            "get": _operation("One toxic.", {200: "Toxic"}, 404),
            "post": retune,
            "patch": retune,
            "delete": _operation("Remove a toxic.", {204: ""}, 404, 500, 503),
        },
        "/proxies/{proxy}/links": {
            "parameters": [proxy],
            "get": _operation("A proxy's open connections, live.", {200: "Links"}, 404),
        },
        "/populate": {
            "post": {
                "summary": "Make proxies; replace those whose addresses, or toxics, differ.",
                "requestBody": _body("NewProxies"),
                "responses": _answers({201: "Populated"}, 413)
                | {
                    str(status): _json(_ERROR_STATUSES[status], "PartlyPopulated")
                    for status in (400, 409, 500, 501, 503)
                },
            }
        },
        "/reset": {
            "post": _operation("Enable every proxy, remove all toxics.", {204: ""}, 500, 503)
        },
        "/version": {"get": _operation("The version.", {200: "Version"})},
        "/metrics": {"get": {"summary": "Prometheus' figures.", "responses": {"200": _text("OK")}}},
        "/events": {"get": _events()},
        "/watch": {
            "post": {
                "summary": "Say whose SYNs the connect faults look for.",
                "requestBody": _body("Watch"),
                "responses": _answers({200: "Watch"}, 400, 413),
            }
        },
        "/openapi.json": {"get": _operation("This page.", {200: "Anything"})},
    }


def _schemas() -> Node:
    toxicity = {"type": "number", "minimum": 0, "maximum": 1, "default": 1}
    stream = {"type": "string", "enum": ["upstream", "downstream"], "default": "downstream"}
    address = {"type": "string", "description": "host:port, or unix:/path"}
    settings = {"listen": address, "upstream": address, "enabled": {"type": "boolean"}}
    toxics = {"type": "array", "items": _ref("NewToxic")}
    proxy = {"name": {"type": "string"}, **settings, "Logger": {"type": "object"}}
    toxic = {
        "attributes": {"type": "object"},
        "name": {"type": "string"},
        "type": {"enum": list(KINDS)},
        "stream": {"type": "string"},
        "toxicity": {"type": "number"},
    }
    error = {"error": {"type": "string"}, "status": {"type": "integer"}}
    populated = {"proxies": {"type": ["array", "null"], "items": _ref("Proxy")}}
    pids = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 2**22}}
    return {
        "Anything": {"type": "object"},
        "Error": _object(error, required=("error", "status")),
        "Version": _object({"version": {"type": "string"}}),
        "Watch": _object({"pids": {**pids, "maxItems": 4096}}, required=("pids",)),
        "Links": {"type": "array", "items": {"type": "object"}},
        "Proxy": _object(
            {**proxy, "toxics": {"type": "array", "items": _ref("Toxic")}},
            required=(*proxy, "toxics"),
        ),
        "Proxies": {"type": "object", "additionalProperties": _ref("Proxy")},
        "NewProxy": _object(
            {"name": _NAME, **settings, "toxics": toxics}, required=("name", "upstream")
        ),
        "NewProxies": {"type": "array", "items": _ref("NewProxy")},
        "ProxyChange": _object(settings),
        "Populated": _object(populated, required=("proxies",)),
        "PartlyPopulated": _object({**error, **populated}, required=(*error, *populated)),
        "Toxic": _object(toxic, required=tuple(toxic)),
        "Toxics": {"type": "array", "items": _ref("Toxic")},
        "NewToxic": {
            "oneOf": [_new_toxic(type_, kind, toxicity, stream) for type_, kind in KINDS.items()]
        },
        "ToxicChange": _object({"attributes": {"type": "object"}, "toxicity": toxicity}),
    }


def _new_toxic(type_: str, kind: Kind, toxicity: Node, stream: Node) -> Node:
    attributes = {name: _attribute(one) for name, one in kind.attributes.items()}
    needed = [name for name, one in kind.attributes.items() if one.default < one.least]
    if kind.has_connections:
        says = "only the first so many connections that come"
        attributes["connections"] = {"type": "integer", "minimum": 1, "description": says}
    properties = {
        "type": {"const": type_},
        "name": _NAME,
        "stream": stream,
        "toxicity": toxicity if kind.has_toxicity else {"const": 1},
        "attributes": _object(attributes, required=tuple(needed)),
    }
    required = ("type", "attributes") if needed else ("type",)
    return {**_object(properties, required=required), "description": kind.says}


def _attribute(attribute: Attribute) -> Node:
    if attribute.read is flag:
        return {"type": "boolean", "default": False, "description": attribute.says}
    return {
        "type": "number" if attribute.takes_fractions else "integer",
        "minimum": attribute.least,
        "maximum": INT64_MAX,
        "description": attribute.says,
    }


def _events() -> Node:
    since = {"type": "integer", "minimum": 0, "maximum": INT64_MAX, "default": 0}
    return {
        "summary": "Events as lines of JSON: those after `since`, then each as it happens; "
        "until=now ends at the newest.",
        "description": f"In batches of {BATCH_EVENTS} at most. A reader that is too slow gets "
        "one line of the kind events.missed with the number in data.count.",
        "parameters": [
            {"name": "since", "in": "query", "schema": since},
            {"name": "until", "in": "query", "schema": {"const": "now"}},
        ],
        "responses": {
            "200": {"description": "OK", "content": {LINES: {"schema": {"type": "string"}}}},
            **_answers({}, 400, 503),
        },
    }


def _operation(summary: str, good: dict[int, str], *statuses: int) -> Node:
    return {"summary": summary, "responses": _answers(good, *statuses)}


def _answers(good: dict[int, str], *statuses: int) -> Node:
    answers: Node = {}
    for status, schema in good.items():
        answers[str(status)] = _json("OK", schema) if schema else {"description": "Done."}
    for status in statuses:
        answers[str(status)] = _text(_ERROR_STATUSES[status])
    return answers


def _json(description: str, schema: str) -> Node:
    return {"description": description, "content": {JSON: {"schema": _ref(schema)}}}


def _text(description: str) -> Node:
    return {"description": description, "content": {_TEXT: {"schema": {"type": "string"}}}}


def _body(schema: str) -> Node:
    return {"required": True, "content": {JSON: {"schema": _ref(schema)}}}


def _parameter(name: str) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": _NAME}


def _object(properties: Node, *, required: tuple[str, ...] = ()) -> Node:
    return {"type": "object", "properties": properties, "required": list(required)}


def _ref(schema: str) -> Node:
    return {"$ref": f"#/components/schemas/{schema}"}
