"""The Orders API's contract, for a stand-in: how it refuses, and what is not as its OpenAPI document has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from orderlab.services.openapi import OPENAPI


def problem(status: int, detail: str, **more: Any) -> httpx.Response:
    """An answer as the API gives it when it refuses."""
    return httpx.Response(
        status,
        json={"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more},
        headers={"Content-Type": "application/problem+json"},
    )


def breaches(request: httpx.Request, answer: httpx.Response) -> Iterator[str]:
    """One line for each thing that the description does not know: address, status, type, field."""
    what = f"{request.method} {request.url.path}"
    operation = _operation(request)
    if operation is None:
        if answer.status_code not in (404, 405):
            yield f"{what} is in no description, and answers {answer.status_code}"
        return
    if answer.is_success and "requestBody" in operation:
        yield from _unlike(f"the body of {what}", operation["requestBody"]["content"], request)
    expected = operation["responses"].get(str(answer.status_code))
    if answer.status_code == 500:
        return  # a fault of the API's own can be met anywhere
    if expected is None:
        yield f"{what} never answers {answer.status_code}"
    else:
        yield from _unlike(f"the {answer.status_code} of {what}", expected["content"], answer)


def _operation(request: httpx.Request) -> dict[str, Any] | None:
    for path, operations in OPENAPI["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path):
            found: dict[str, Any] | None = operations.get(request.method.lower())
            return found
    return None


def _unlike(what: str, content: dict[str, Any], message: httpx.Request | httpx.Response) -> Iterator[str]:
    media = message.headers.get("Content-Type", "none")
    if media not in content:
        yield f"{what} is {media}"
        return
    schema = {**content[media]["schema"], "components": OPENAPI["components"]}
    for error in Draft202012Validator(schema).iter_errors(json.loads(message.content)):
        yield f"{what}: {error.json_path}: {error.message}"
