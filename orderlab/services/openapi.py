"""The contract of the Orders API as OpenAPI 3.1; a fuzzer holds the running service to it."""

from __future__ import annotations

from typing import Any

from orderlab import __version__, order
from orderlab.faults.model import AFTER, BEFORE, Kind
from orderlab.order import MAX_ITEMS, MAX_QUANTITY, PAYMENT_TOKENS, REJECTION_REASONS, Status
from orderlab.sequence import CLIENT_STEPS, Lane, Outcome

Schema = dict[str, Any]

ORDER_ID = f"^{order.ORDER_ID}$"
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"\S"}
MONEY: Schema = {"type": "string", "pattern": r"^\d+\.\d{2}$", "description": "exact, as text"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}


def object_of(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_CUSTOMER = object_of({"name": _TEXT, "email": {**_TEXT, "pattern": r"^[^@\s]+@[^@\s]+$"}})
_DESIGN = {"outbox": {"type": "boolean"}, "idempotent_consumer": {"type": "boolean"}}

SCHEMAS: Schema = {
    "NewOrder": object_of(
        {
            "order_id": {"type": "string", "pattern": ORDER_ID},
            "customer": _CUSTOMER,
            "items": _list(
                object_of(
                    {
                        "sku": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 64,
                            "description": "from GET /catalogue",
                        },
                        "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
                    }
                ),
                minItems=1,
                maxItems=MAX_ITEMS,
            ),
            "payment_token": {"type": "string", "enum": list(PAYMENT_TOKENS)},
        },
        {"design": object_of({}, _DESIGN)},
    ),
    "Order": object_of(
        {
            "order_id": {"type": "string", "pattern": ORDER_ID},
            "status": {"type": "string", "enum": list(Status)},
            "total": MONEY,
            "currency": {"type": "string"},
            "items": _list(object_of({"sku": {"type": "string"}, "quantity": {"type": "integer"}, "price": MONEY})),
            "customer": object_of({"name": {"type": "string"}, "email": {"type": "string"}}),
            "created_at": _MOMENT,
            "updated_at": _MOMENT,
            "rejection_reason": {"type": ["string", "null"], "enum": [None, *REJECTION_REASONS]},
            "design": object_of(_DESIGN),
        }
    ),
    "Orders": object_of({"orders": _list(_ref("Order")), "next": {"type": ["string", "null"]}}),
    "Event": object_of(
        {
            "id": {"type": "integer", "description": "grows with the time of recording"},
            "step": {"type": "integer", "minimum": 1, "maximum": 19},
            "part": {"type": ["string", "null"], "enum": [None, "a", "b", "c"]},
            "label": {"type": "string"},
            "name": {"type": "string"},
            "outcome": {"type": "string", "enum": list(Outcome)},
            "lane": {"type": "string", "enum": list(Lane)},
            "attempt": {"type": "integer", "minimum": 1},
            "trace_id": {"type": "string"},
            "started_at": _MOMENT,
            "ended_at": _MOMENT,
            "data": {"type": "object"},
        }
    ),
    "Firing": {
        **object_of(
            {
                "kind": {"type": "string", "enum": [each for each in Kind if each is not Kind.PAUSE]},
                "step": {"type": "string", "description": "a label, such as 9 or 15c"},
                "side": {"type": "string", "enum": [BEFORE, AFTER]},
                "attempt": {"type": "integer"},
                "process": {"type": "string"},
                "at": _MOMENT,
                "unwritten": {
                    **_list({"type": "object"}),
                    "description": "of a crash: events that the process had in memory alone, and that died with it",
                },
            }
        ),
        "description": "a fault of the lab's that hit this order",
    },
    "Evidence": {
        **object_of(
            {
                "deliveries": {"type": "integer", "minimum": 0, "description": "of its message to the worker"},
                "charges": {"type": "integer", "minimum": 0, "description": "how often the customer was charged"},
                "wants": {"type": "integer", "minimum": 0, "description": "units ordered"},
                "design": object_of(_DESIGN),
                "notifications": _list({"type": "object"}),
                "outbox": _list({"type": "object"}),
                "halts": _list({"type": "object"}),
                "still": {"type": "number", "description": "seconds since something was recorded"},
            }
        ),
        "description": "what the tables say of the order, for who judges it",
    },
    "Events": object_of(
        {
            "order_id": {"type": "string"},
            "status": {"type": "string"},
            "events": _list(_ref("Event")),
            "firings": _list(_ref("Firing")),
            "evidence": _ref("Evidence"),
        }
    ),
    "Report": {
        "type": "object",
        "properties": {
            "events": _list(
                {
                    "type": "object",
                    "properties": {
                        "step": {"enum": [s.number for s in CLIENT_STEPS] + [s.name for s in CLIENT_STEPS]},
                        "started_at": _MOMENT,
                        "ended_at": _MOMENT,
                    },
                    "required": ["step", "started_at", "ended_at"],
                },
                minItems=1,
                maxItems=20,
            )
        },
        "required": ["events"],
    },
    "Accepted": object_of({"accepted": {"type": "integer"}}),
    "Token": object_of(
        {"access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer"}}
    ),
    "Products": object_of(
        {
            "products": _list(
                object_of(
                    {
                        "sku": {"type": "string"},
                        "name": {"type": "string"},
                        "price": MONEY,
                        "currency": {"type": "string"},
                        "available": {"type": "integer"},
                    }
                )
            )
        }
    ),
    "Health": object_of({"status": {"type": "string"}}),
    "Document": {"type": "object"},
    "Problem": object_of(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
        {"errors": _list(object_of({"field": {"type": "string"}, "problem": {"type": "string"}}))},
    ),
}

_WHY = {
    400: "The body is not JSON.",
    401: "No token, or none that is valid here.",
    403: "The Host is not one of the lab's, or a page of another site writes, or the token does not allow this.",
    404: "There is no such order.",
    409: "The id is taken by an order with other content.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not application/json.",
    422: "Fields are wrong; each is named.",
    503: "PostgreSQL is away; Retry-After says when to come back.",
}


def _operation(
    summary: str, answers: dict[int, str], problems: tuple[int, ...] = (503,), *, secured: bool = True, **more: Any
) -> Schema:
    """One operation: what it answers by status, and the problems it can meet (401 where it needs a token, 403 all)."""
    problems = (403, *problems)
    if secured:
        problems = (401, *problems)
        more["security"] = [{"token": []}]
    responses: Schema = {
        str(status): {"description": summary, "content": {"application/json": {"schema": _ref(name)}}}
        for status, name in answers.items()
    }
    for status in problems:
        content = {"application/problem+json": {"schema": _ref("Problem")}}
        responses[str(status)] = {"description": _WHY[status], "content": content}
    return {"summary": summary, "responses": responses, **more}


def _body(name: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": _ref(name)}}}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_ORDER_ID_IN_PATH = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": ORDER_ID},
}

PATHS: Schema = {
    "/login-demo": {"get": _operation("Get a demo token.", {200: "Token"}, (), secured=False)},
    "/orders": {
        "post": _operation(
            "Place an order. The same id with the same content is a retry and answers 200.",
            {201: "Order", 200: "Order"},
            (400, 409, 413, 415, 422, 503),
            requestBody=_body("NewOrder"),
        ),
        "get": _operation(
            "List orders, newest first.",
            {200: "Orders"},
            (422, 503),
            parameters=[
                _query("limit", {"type": "integer", "minimum": 1, "maximum": order.LARGEST_PAGE}, "orders on a page"),
                _query("after", {"type": "string", "pattern": ORDER_ID}, "the order that ended the page before"),
            ],
        ),
    },
    "/orders/{order_id}": {
        "get": _operation("Read an order.", {200: "Order"}, (404, 503)),
        "parameters": [_ORDER_ID_IN_PATH],
    },
    "/orders/{order_id}/events": {
        "get": _operation(
            "Read an order's journal; with `wait`, as soon as it holds more than `after`.",
            {200: "Events"},
            (404, 422, 503),
            parameters=[
                _query("after", {"type": "integer", "minimum": 0}, "the highest event id that is known"),
                _query("wait", {"type": "number", "minimum": 0, "maximum": 25}, "seconds to wait for a newer one"),
            ],
        ),
        "post": _operation(
            "Report steps that happened on the client's side (1, 2, 4, 11).",
            {202: "Accepted"},
            (400, 404, 413, 415, 422, 503),
            requestBody=_body("Report"),
        ),
        "parameters": [_ORDER_ID_IN_PATH],
    },
    "/catalogue": {"get": _operation("What is for sale.", {200: "Products"}, secured=False)},
    "/openapi.json": {"get": _operation("This document, OpenAPI 3.1.", {200: "Document"}, (), secured=False)},
    "/asyncapi.json": {
        "get": _operation("Exchanges, queues and messages, as AsyncAPI 3.0.", {200: "Document"}, (), secured=False)
    },
    "/health/live": {"get": _operation("The process serves.", {200: "Health"}, (), secured=False)},
    "/health/ready": {"get": _operation("Orders can be received.", {200: "Health"}, secured=False)},
}

OPENAPI: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "orderlab: Orders API",
        "version": __version__,
        "description": "Receives orders, steps 3 and 5 to 10 of the diagram Create Order (E2E).",
    },
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    },
}
