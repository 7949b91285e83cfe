"""The types of what the API answers with are those that its OpenAPI document describes."""

from __future__ import annotations

import pytest

from orderlab import shapes
from orderlab.services.openapi import OPENAPI

SHAPES = {
    "Order": shapes.OrderRow,
    "Orders": shapes.OrdersPage,
    "Event": shapes.EventRow,
    "Firing": shapes.FiringRow,
    "Evidence": shapes.EvidenceRow,
    "Events": shapes.Journal,
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_row_s_type_has_the_fields_that_the_document_describes(name: str) -> None:
    described = OPENAPI["components"]["schemas"][name]["properties"]
    assert set(SHAPES[name].__annotations__) == set(described)


def test_a_product_has_the_fields_that_the_catalogue_gives() -> None:
    catalogue = OPENAPI["components"]["schemas"]["Products"]["properties"]["products"]["items"]
    assert set(shapes.ProductRow.__annotations__) == set(catalogue["properties"])
