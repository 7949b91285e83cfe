"""Tokens that must not be accepted, and that nothing is inserted for them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import httpx
import jwt
import pytest

from tests.support import RunningLab, problem


def _unsigned(lab: RunningLab) -> str:
    claims = lab.token.split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{header}.{claims}."


def _rs256_header(lab: RunningLab) -> str:
    """Signed with our secret by HMAC, under a header that says RS256."""
    good = jwt.decode(lab.token, options={"verify_signature": False})
    algorithm = jwt.get_algorithm_by_name("HS256")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "JWT"}).encode()).rstrip(b"=")
    payload = base64.urlsafe_b64encode(json.dumps(good).encode()).rstrip(b"=")
    signature = algorithm.sign(header + b"." + payload, algorithm.prepare_key(lab.secrets["jwt"]))
    return b".".join([header, payload, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


BAD: dict[str, Callable[[RunningLab], str]] = {
    "expired": lambda lab: lab.mint(exp=int(time.time()) - 1),
    "wrong audience": lambda lab: lab.mint(aud="somebody-else"),
    "wrong issuer": lambda lab: lab.mint(iss="somebody-else"),
    "issued in the future": lambda lab: lab.mint(iat=time.time() + 3600),
    "no expiry": lambda lab: lab.mint(exp=None),
    "no subject": lambda lab: lab.mint(sub=None),
    "no scope": lambda lab: lab.mint(scope=None),
    "no id": lambda lab: lab.mint(jti=None),
    "alg none": _unsigned,
    "another key": lambda lab: lab.mint(key="k" * 40),
    "another algorithm": lambda lab: lab.mint(algorithm="HS512"),
    "RS256 header with our secret": _rs256_header,
    "cut short": lambda lab: lab.token[:-3],
    "rubbish": lambda lab: "a.b.c",
}


def _send(lab: RunningLab, authorization: str | None) -> tuple[httpx.Response, str]:
    body = lab.order()
    headers = {} if authorization is None else {"Authorization": authorization}
    return lab.http.post("/orders", json=body, headers=headers), body["order_id"]


def _nothing_inserted(lab: RunningLab, order_id: str) -> None:
    assert lab.value("SELECT count(*) FROM orders WHERE order_id = %s", order_id) == 0
    assert lab.value("SELECT count(*) FROM order_events WHERE order_id = %s", order_id) == 0
    assert lab.value("SELECT count(*) FROM outbox WHERE order_id = %s", order_id) == 0


@pytest.mark.parametrize("kind", BAD)
def test_a_token_that_is_not_valid_here_is_401_and_nothing_is_inserted(lab: RunningLab, kind: str) -> None:
    response, order_id = _send(lab, f"Bearer {BAD[kind](lab)}")
    problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    _nothing_inserted(lab, order_id)


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer"])
def test_no_token_is_401_that_asks_for_one(lab: RunningLab, authorization: str | None) -> None:
    response, order_id = _send(lab, authorization)
    problem(response, 401)
    assert response.headers["www-authenticate"] == 'Bearer realm="orders-api"'
    _nothing_inserted(lab, order_id)


@pytest.mark.parametrize("scope", ["", "orders:read", "orders:writes"])
def test_a_token_without_the_scope_is_403(lab: RunningLab, scope: str) -> None:
    response, order_id = _send(lab, f"Bearer {lab.mint(scope=scope)}")
    problem(response, 403)
    _nothing_inserted(lab, order_id)


def test_reading_needs_the_scope_for_reading(lab: RunningLab) -> None:
    order_id = lab.place()
    headers = {"Authorization": f"Bearer {lab.mint(scope='orders:write')}"}
    for path in ("/orders", f"/orders/{order_id}", f"/orders/{order_id}/events"):
        problem(lab.http.get(path, headers=headers), 403)
        problem(lab.http.get(path), 401)


def test_the_control_a_token_minted_like_the_labs_own_is_accepted(lab: RunningLab) -> None:
    response, _ = _send(lab, f"Bearer {lab.mint()}")
    assert response.status_code == 201
