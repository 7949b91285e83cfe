"""The environment, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderlab.settings import MissingSetting, Settings


def test_demo_login_is_off_unless_it_is_switched_on() -> None:
    assert Settings.from_environment({}).demo_login is False
    assert Settings.from_environment({"ORDERLAB_DEMO_LOGIN": "off"}).demo_login is False
    assert Settings.from_environment({"ORDERLAB_DEMO_LOGIN": "on"}).demo_login is True


def test_a_secret_can_be_given_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    assert Settings.from_environment({"ORDERLAB_JWT_SECRET_FILE": str(tmp_path / "secret")}).jwt_secret == "s3cret"


def test_what_is_missing_is_named_by_its_variable() -> None:
    with pytest.raises(MissingSetting, match=r"ORDERLAB_DATABASE_URL, ORDERLAB_AMQP_URL"):
        Settings.from_environment({}).need("database_url", "amqp_url")
