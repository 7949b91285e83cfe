"""Tokens that are remembered: they end when they say so, and hold under their own secret alone."""

from __future__ import annotations

import pytest

from orderlab import tokens
from orderlab.errors import InvalidToken

SECRET = "s" * 40


def test_a_token_that_was_good_is_refused_once_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    issued = tokens.issue(SECRET)
    assert tokens.verify(SECRET, f"Bearer {issued.token}").token_id == issued.token_id
    monkeypatch.setattr(tokens.time, "time", lambda: issued.claims["exp"])
    with pytest.raises(InvalidToken, match="expired"):
        tokens.verify(SECRET, f"Bearer {issued.token}")


def test_a_token_that_was_good_is_not_good_with_another_text_or_secret() -> None:
    token = tokens.issue(SECRET).token
    assert tokens.verify(SECRET, f"Bearer {token}")
    for secret, text in ((SECRET, token[:-2] + ("AA" if token[-2:] != "AA" else "BB")), ("t" * 40, token)):
        with pytest.raises(InvalidToken):
            tokens.verify(secret, f"Bearer {text}")
