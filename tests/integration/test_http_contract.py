"""Every line of the HTTP contract, against the running service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import RunningLab, problem


def test_login_demo_hands_out_a_bearer_token_that_is_not_cached(lab: RunningLab) -> None:
    response = lab.http.get("/login-demo")
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "token_type", "expires_in"}
    assert response.json()["token_type"] == "Bearer"
    assert response.headers["cache-control"] == "no-store"


def test_a_new_order_is_201_with_its_location_and_a_total_of_the_servers_own(lab: RunningLab) -> None:
    body = lab.order(items=[{"sku": "KEYBOARD", "quantity": 2}, {"sku": "MOUSE", "quantity": 1}])
    response = lab.post(body)
    assert response.status_code == 201
    assert response.headers["location"] == f"/orders/{body['order_id']}"
    order = response.json()
    assert set(order) == {
        "order_id", "status", "total", "currency", "items", "customer", "created_at", "updated_at",
        "rejection_reason", "design",
    }  # fmt: skip
    assert (order["status"], order["total"], order["currency"]) == ("RECEIVED", "119.75", "EUR")
    assert order["rejection_reason"] is None
    stored = lab.http.get(response.headers["location"], headers=lab.bearer).json()
    unchanged = [name for name in order if name not in ("status", "updated_at")]
    assert {name: stored[name] for name in unchanged} == {name: order[name] for name in unchanged}


def test_a_price_from_the_client_is_refused(lab: RunningLab) -> None:
    body = lab.order(items=[{"sku": "KEYBOARD", "quantity": 1, "price": "0.01"}])
    assert problem(lab.post(body), 422)["errors"][0]["field"] == "items[0].price"


def test_the_same_id_with_the_same_content_is_a_replay_and_nothing_happens_again(lab: RunningLab) -> None:
    body = lab.order()
    assert lab.post(body).status_code == 201
    lab.settled([body["order_id"]])
    again = lab.post({name: body[name] for name in reversed(body)})  # the order of the fields says nothing
    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["order_id"] == body["order_id"]
    assert lab.value("SELECT count(*) FROM outbox WHERE order_id = %s AND type = 'OrderCreated'", body["order_id"]) == 1
    lab.check_books([body["order_id"]])


def test_the_same_id_with_other_content_is_a_conflict_and_leaves_the_first_as_it_is(lab: RunningLab) -> None:
    body = lab.order()
    assert lab.post(body).status_code == 201
    problem(lab.post({**body, "items": [{"sku": "MONITOR", "quantity": 1}]}), 409)
    stored = lab.http.get(f"/orders/{body['order_id']}", headers=lab.bearer).json()
    assert stored["items"][0]["sku"] == "KEYBOARD"


def test_somebody_elses_retry_of_my_order_is_a_conflict_and_shows_nothing_of_it(lab: RunningLab) -> None:
    body = lab.order()
    assert lab.post(body).status_code == 201
    told = problem(lab.post(body, Authorization=f"Bearer {lab.mint(sub='mallory')}"), 409)
    assert "ada" not in str(told).lower()


def test_of_fifty_identical_requests_at_once_exactly_one_is_201(lab: RunningLab) -> None:
    body = lab.order()
    _ = lab.token
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: lab.post(body), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 49
    lab.settled([body["order_id"]])
    assert lab.value("SELECT count(*) FROM orders WHERE order_id = %s", body["order_id"]) == 1
    assert lab.value("SELECT count(*) FROM payments WHERE order_id = %s", body["order_id"]) == 1
    assert lab.value("SELECT count(*) FROM outbox WHERE order_id = %s AND type = 'OrderCreated'", body["order_id"]) == 1
    consumed = [event for event in lab.complete(body["order_id"]) if event["name"] == "consume_order_created"]
    assert len(consumed) == 1


@pytest.mark.parametrize("order_id", ["a", "A1._-z", "9" * 64])
def test_an_order_id_may_have_1_to_64_of_its_characters(lab: RunningLab, order_id: str) -> None:
    assert lab.post(lab.order(order_id)).status_code in (200, 201)


@pytest.mark.parametrize("order_id", ["", "-a", ".a", "a b", "ñ", "a/b", "9" * 65, 7, None, "a\n"])
def test_another_order_id_is_422_that_names_it(lab: RunningLab, order_id: object) -> None:
    assert problem(lab.post({**lab.order(), "order_id": order_id}), 422)["errors"][0]["field"] == "order_id"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer": None}, "customer"),
        ({"customer": {"name": "", "email": "a@b"}}, "customer.name"),
        ({"customer": {"name": "Ada", "email": "nowhere"}}, "customer.email"),
        ({"customer": {"name": "A\u0000da", "email": "a@b"}}, "customer.name"),
        ({"items": []}, "items"),
        ({"items": [{"sku": "NO-SUCH", "quantity": 1}]}, "items[0].sku"),
        ({"items": [{"sku": "KEYBOARD", "quantity": 0}]}, "items[0].quantity"),
        ({"items": [{"sku": "KEYBOARD", "quantity": 1.5}]}, "items[0].quantity"),
        ({"items": [{"sku": "KEYBOARD", "quantity": True}]}, "items[0].quantity"),
        ({"items": [{"sku": "KEYBOARD", "quantity": 1}] * 2}, "items[1].sku"),
        ({"payment_token": "tok_gold"}, "payment_token"),
        ({"payment_token": ["tok_ok"]}, "payment_token"),
        ({"design": {"outbox": "no"}}, "design"),
        ({"total": "0.01"}, "total"),
    ],
)
def test_a_wrong_field_is_named(lab: RunningLab, change: dict[str, object], field: str) -> None:
    assert field in [error["field"] for error in problem(lab.post(lab.order(**change)), 422)["errors"]]


def test_every_wrong_field_is_named_at_once(lab: RunningLab) -> None:
    errors = problem(lab.post({}), 422)["errors"]
    assert {"order_id", "customer", "items", "payment_token"} <= {error["field"] for error in errors}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b'{"order_id": NaN}'])
def test_what_is_not_json_is_400(lab: RunningLab, body: bytes) -> None:
    headers = {**lab.bearer, "Content-Type": "application/json"}
    problem(lab.http.post("/orders", content=body, headers=headers), 400)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"7"])
def test_json_that_is_no_object_is_422(lab: RunningLab, body: bytes) -> None:
    headers = {**lab.bearer, "Content-Type": "application/json"}
    problem(lab.http.post("/orders", content=body, headers=headers), 422)


def test_a_body_over_64_kib_is_413_also_when_it_comes_in_chunks(lab: RunningLab) -> None:
    headers = {**lab.bearer, "Content-Type": "application/json"}
    problem(lab.http.post("/orders", content=b" " * (64 * 1024 + 1), headers=headers), 413)
    problem(lab.http.post("/orders", content=(b" " * 1024 for _ in range(65)), headers=headers), 413)


def test_another_media_type_is_415(lab: RunningLab) -> None:
    problem(lab.http.post("/orders", data={"order_id": "a"}, headers=lab.bearer), 415)


def test_what_is_not_there_is_404_and_what_is_not_done_there_is_405(lab: RunningLab) -> None:
    problem(lab.http.get("/nowhere"), 404)
    problem(lab.http.get("/orders/no-such-order", headers=lab.bearer), 404)
    problem(lab.http.get("/orders/%00", headers=lab.bearer), 404)
    problem(lab.http.get("/orders/no-such-order/events", headers=lab.bearer), 404)
    response = lab.http.delete("/orders")
    problem(response, 405)
    assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))


def test_orders_are_listed_newest_first_and_pages_do_not_shift_when_one_is_added(lab: RunningLab) -> None:
    placed = [lab.place() for _ in range(5)]
    first = lab.http.get("/orders", params={"limit": 2}, headers=lab.bearer).json()
    assert [order["order_id"] for order in first["orders"]] == placed[:-3:-1]
    lab.place()
    second = lab.http.get("/orders", params={"limit": 2, "after": first["next"]}, headers=lab.bearer).json()
    assert [order["order_id"] for order in second["orders"]] == placed[-3:-5:-1]


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "many"), ("limit", "nan"), ("after", "no-such")]
)
def test_a_page_that_makes_no_sense_is_422(lab: RunningLab, name: str, value: str) -> None:
    assert problem(lab.http.get("/orders", params={name: value}, headers=lab.bearer), 422)["errors"][0]["field"] == name


def test_the_catalogue_says_what_is_available(lab: RunningLab) -> None:
    products = {product["sku"]: product for product in lab.http.get("/catalogue").json()["products"]}
    assert products["SOLD-OUT"]["available"] == 0
    assert products["LAST-THREE"]["available"] <= 3
    assert products["KEYBOARD"]["price"] == "49.90"


def test_health_tells_live_and_ready(lab: RunningLab) -> None:
    assert lab.http.get("/health/live").json() == {"status": "live"}
    assert lab.http.get("/health/ready").json() == {"status": "ready"}
