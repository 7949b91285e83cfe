"""The running API is held to /openapi.json by a fuzzer: no 500, no answer that the document does not foresee."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from orderlab.services.asyncapi import ASYNCAPI
from orderlab.services.openapi import OPENAPI
from tests.support import RunningLab


def contract() -> Any:
    """The document, without the long poll's `wait`: waiting is tested where something happens."""
    document = copy.deepcopy(OPENAPI)
    events = document["paths"]["/orders/{order_id}/events"]["get"]
    events["parameters"] = [parameter for parameter in events["parameters"] if parameter["name"] != "wait"]
    return schemathesis.openapi.from_dict(document)


# A sku must be in the catalogue, `after` must be an order, a step must end after it began: no schema says that.
LEFT_OUT = [positive_data_acceptance]

OPERATIONS = [found.ok() for found in contract().get_all_operations()]


def test_the_documents_served_are_those_that_are_tested(lab: RunningLab) -> None:
    assert lab.http.get("/openapi.json").json() == OPENAPI
    assert lab.http.get("/asyncapi.json").json() == ASYNCAPI


CASES = [
    pytest.param(operation, mode, id=f"{mode.value} {operation.label}")
    for operation in OPERATIONS
    for mode in schemathesis.GenerationMode
    if mode.is_positive or operation.body or operation.query or operation.path_parameters  # something to get wrong
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_gets_an_answer_the_contract_does_not_know(lab: RunningLab, operation: Any, mode: Any) -> None:
    # A query parameter that nobody knows is passed over, as everywhere on the web.
    left_out = [*LEFT_OUT, negative_data_rejection] if operation.query else LEFT_OUT

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(case: Any) -> None:
        case.call_and_validate(base_url=lab.api_url, headers=lab.bearer, excluded_checks=left_out)

    check()
