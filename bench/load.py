"""The load: so many clients, each sending its next order when the last was answered. Cheap, in a process of its own.

`python -m bench.load API_URL ORDERS CLIENTS PRODUCTS RUN` prints one JSON line: of each order its id, when it was sent
and answered (Unix seconds), and how often it was refused with a 5xx before (it is sent again, as a good client does).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

SKUS = ("KEYBOARD", "MOUSE", "MONITOR", "HEADSET")
"""Of each there is more than all the runs order."""

Placed = tuple[str, float, float, int]


def baskets(products: int) -> list[tuple[str, ...]]:
    """Every choice of so many products, in every order of lines, shuffled the same way each time."""
    every = list(itertools.permutations(SKUS, products))
    random.Random(8).shuffle(every)
    return every


def order_of(run: str, number: int, products: int) -> dict[str, Any]:
    """The n-th order of a run."""
    every = baskets(products)
    return {
        "order_id": f"{run}-{number}",
        "customer": {"name": "Ada", "email": "ada@example.com"},
        "items": [{"sku": sku, "quantity": 1} for sku in every[number % len(every)]],
        "payment_token": "tok_ok",
    }


def tell(placed: list[Placed]) -> None:
    """Print what was placed, for whoever measures."""
    print(json.dumps(placed))


class Client(asyncio.Protocol):
    """One connection that is kept, and what it sends: a request at a time."""

    def __init__(
        self, requests: Iterator[tuple[str, bytes]], placed: list[Placed], ended: asyncio.Future[None]
    ) -> None:
        import httptools  # here, so that the bare bound needs none of it

        self._requests, self._placed, self._ended = requests, placed, ended
        self._new_parser = lambda: httptools.HttpResponseParser(self)

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        self._body += data
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        status = self._parser.get_status_code()
        if status == 201:
            self._placed.append((self._order_id, self._sent, time.time(), self._refused))
            self._next()
        elif status >= 500:
            self._refused += 1
            asyncio.get_running_loop().call_later(0.1, self._send)
        elif status == 200 and self._refused:  # it had been inserted, and its answer was the 5xx
            self._placed.append((self._order_id, self._sent, time.time(), self._refused))
            self._next()
        else:
            self._fail(f"{status}: {self._body.decode(errors='replace')}")

    def connection_lost(self, error: Exception | None) -> None:
        """The server has hung up."""
        self._fail(f"the server hung up: {error}")

    def _next(self) -> None:
        try:
            self._order_id, self._request = next(self._requests)
        except StopIteration:
            if not self._ended.done():
                self._ended.set_result(None)
            return
        self._refused, self._sent = 0, time.time()
        self._send()

    def _send(self) -> None:
        self._parser, self._body = self._new_parser(), b""
        self._transport.write(self._request)

    def _fail(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(SystemExit(reason))


async def place_all(api_url: str, orders: int, clients: int, products: int, run: str) -> list[Placed]:
    """Place the orders; the requests are made before the first is sent."""
    address = urlsplit(api_url)
    with urllib.request.urlopen(f"{api_url}/login-demo") as response:
        token = json.load(response)["access_token"]
    head = (
        f"POST /orders HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )
    requests = []
    for number in range(orders):
        body = json.dumps(order_of(run, number, products))
        requests.append((f"{run}-{number}", f"{head}{len(body)}\r\n\r\n{body}".encode()))
    placed: list[Placed] = []
    loop, rest = asyncio.get_running_loop(), iter(requests)
    ended = [loop.create_future() for _ in range(clients)]
    for each in ended:
        await loop.create_connection(lambda each=each: Client(rest, placed, each), address.hostname, address.port)
    await asyncio.gather(*ended)
    return placed


if __name__ == "__main__":
    import uvloop

    tell(uvloop.run(place_all(sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5])))
