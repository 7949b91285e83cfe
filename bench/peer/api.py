"""The peer's API: steps 3 and 5 to 10, on FastAPI."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import jwt
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from bench.peer.database import Database, queries
from bench.peer.journal import Steps
from bench.peer.messages import make_broker, message, publish
from orderlab.order import CURRENCY, MAX_ITEMS, MAX_QUANTITY
from orderlab.sequence import (
    CHECK_IDEMPOTENCY,
    INSERT_ORDER,
    ISSUE_TOKEN,
    ORDER_ID_FREE,
    PUBLISH_ORDER_CREATED,
    RESPOND_CREATED,
    VALIDATE_TOKEN,
)
from orderlab.settings import Settings

ISSUER, AUDIENCE, SCOPE = "orderlab", "orders-api", "orders:write"
REQUIRED = ["iss", "aud", "sub", "iat", "exp", "jti", "scope"]

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]


class Strict(BaseModel):
    """Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Item(Strict):
    """So many of one product."""

    sku: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


class Customer(Strict):
    """Who orders."""

    name: Text
    email: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]


def _each_once(items: list[Item]) -> list[Item]:
    if len({item.sku for item in items}) < len(items):
        raise ValueError("a sku stands twice; add the quantities up")
    return items


class NewOrder(Strict):
    """What a client asks for."""

    order_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    customer: Customer
    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(_each_once)]
    payment_token: Literal[
        "tok_ok", "tok_declined", "tok_insufficient_funds", "tok_expired_card", "tok_gateway_error", "tok_slow"
    ]

    def content(self) -> dict[str, Any]:
        """What makes two requests with one id the same request."""
        return {**self.model_dump(exclude={"order_id"}), "design": {"outbox": True, "idempotent_consumer": True}}


class Line(BaseModel):
    """An item with its price."""

    sku: str
    price: str
    quantity: int


class Design(BaseModel):
    """The peer has both safeguards."""

    outbox: bool = True
    idempotent_consumer: bool = True


class Order(BaseModel):
    """An order as it is shown."""

    order_id: str
    status: str
    total: str
    currency: str
    items: list[Line]
    customer: Customer
    created_at: datetime
    updated_at: datetime
    rejection_reason: str | None
    design: Design = Design()


settings = Settings.from_environment()
database = Database(settings.database_url)
broker = make_broker(settings.amqp_url, "orders-api")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The pool and the broker's connection are open while the API serves."""
    async with database.opened(), broker:
        await broker.start()
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def received(request: Request) -> Steps:
    """The request's steps, in its trace or a new one."""
    known = request.headers.get("traceparent")
    return Steps("", known or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")


async def validated(
    steps: Annotated[Steps, Depends(received)], credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> dict[str, Any]:
    """5: who asks."""
    with steps(VALIDATE_TOKEN):
        try:
            claims: dict[str, Any] = jwt.decode(
                credentials.credentials,
                settings.jwt_secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED},
            )
        except jwt.InvalidTokenError:
            raise HTTPException(401, "The token is not valid here.", {"WWW-Authenticate": "Bearer"}) from None
        if SCOPE not in claims["scope"].split():
            raise HTTPException(403, f"The token lacks the scope {SCOPE!r}.")
    return claims


@app.post("/orders", status_code=201)
async def post_order(
    order: NewOrder,
    claims: Annotated[dict[str, Any], Depends(validated)],
    steps: Annotated[Steps, Depends(received)],
    response: Response,
    background: BackgroundTasks,
) -> Order:
    """6 to 10: a new order is inserted and told of; one that is there already is shown."""
    steps.belong_to(order.order_id)
    published: list[str] = []
    with steps(CHECK_IDEMPOTENCY):
        skus = [item.sku for item in order.items]
        found = await database.row(queries.find_order, order_id=order.order_id, skus=skus)
    assert found is not None
    subject, request, prices = found
    with steps(ORDER_ID_FREE) as event:
        if subject is not None:
            same = subject == claims["sub"] and request == order.content()
            event["outcome"] = "duplicate" if same else "conflict"
    shown: Any  # FastAPI serializes an Order in Rust, and sends a Response as it is
    match event["outcome"]:
        case "ok":
            issued_at = datetime.fromtimestamp(claims["iat"], UTC)
            steps.add(ISSUE_TOKEN, issued_at, issued_at, {"claims": claims})  # 3 joins the new order
            shown = await insert(order, claims["sub"], prices, steps, response, published)
        case "duplicate":
            shown = await stored(order.order_id)
            response.status_code, response.headers["Idempotent-Replayed"] = 200, "true"
        case _:
            response.status_code = 409
            shown = JSONResponse({"detail": "This order id is taken by an order with other content."}, 409)
    background.add_task(responded, steps, datetime.now(UTC), response.status_code or 201, published)
    return shown  # type: ignore[no-any-return]


async def insert(
    order: NewOrder, subject: str, prices: dict[str, str], steps: Steps, response: Response, published: list[str]
) -> Order:
    """8 and 9."""
    if unknown := [item.sku for item in order.items if item.sku not in prices]:
        raise HTTPException(422, f"These are not in the catalogue: {', '.join(unknown)}.")
    total = sum((Decimal(prices[item.sku]) * item.quantity for item in order.items), Decimal(0))
    lines = [Line(sku=item.sku, price=prices[item.sku], quantity=item.quantity) for item in order.items]
    created = message("OrderCreated", {"order_id": order.order_id})
    now = datetime.now(UTC)
    with steps(INSERT_ORDER):
        inserted = await database.row(
            queries.insert_order,
            order_id=order.order_id,
            subject=subject,
            customer_name=order.customer.name,
            customer_email=order.customer.email,
            payment_token=order.payment_token,
            total=total,
            currency=CURRENCY,
            request=to_json(order.content()).decode(),
            traceparent=steps.traceparent,
            created_at=now,
            items=to_json([{"line": n, **line.model_dump()} for n, line in enumerate(lines, 1)]).decode(),
            event_id=created["event_id"],
            data=to_json(created["data"]).decode(),
            events=steps.taken(),
        )
    if inserted is None:
        raise HTTPException(503, "Somebody was quicker. Try again.", {"Retry-After": "1"})
    with steps(PUBLISH_ORDER_CREATED) as event:
        try:
            await publish(broker, event, created, "/orders-api", order.order_id, steps.traceparent, now)
            published.append(created["event_id"])
        except (ConnectionError, TimeoutError):  # the relay publishes it later
            event["outcome"] = "deferred"
    response.headers["Location"] = f"/orders/{order.order_id}"
    return Order(
        order_id=order.order_id,
        status="RECEIVED",
        total=str(total),
        currency=CURRENCY,
        items=lines,
        customer=order.customer,
        created_at=now,
        updated_at=now,
        rejection_reason=None,
    )


async def stored(order_id: str) -> Order:
    """An order that is there already."""
    row = await database.row(queries.get_order, order_id=order_id)
    assert row is not None
    names = ("order_id", "status", "total", "currency", "name", "email", "created_at", "updated_at")
    fields = dict(zip((*names, "rejection_reason", "items"), row, strict=True))
    return Order(customer=Customer(name=fields.pop("name"), email=fields.pop("email")), **fields)


async def responded(steps: Steps, began: datetime, status: int, published: list[str]) -> None:
    """10, once the last byte is out; what has no transaction of its own is written behind it."""
    steps.add(RESPOND_CREATED, began, datetime.now(UTC), {"status": status})
    database.write_later(steps.events, *published)


@app.get("/login-demo")
async def login_demo() -> dict[str, Any]:
    """3: a token."""
    now = time.time()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "demo",
        "iat": now,
        "exp": int(now) + 3600,
        "jti": uuid.uuid4().hex,
        "scope": "orders:read orders:write",
    }
    token = jwt.encode(claims, settings.jwt_secret, algorithm="HS256")
    return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """It serves once the lifespan has begun."""
    return {"status": "ready"}
