"""The password of the first administrator, when the first start is interrupted."""

from pathlib import Path

import pytest

from services.first_password import first_password, forget


def test_the_password_stays_the_same_until_it_was_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOUNDWRIGHT_ADMIN_PASSWORD", raising=False)
    password = first_password(tmp_path)
    assert len(password) >= 16
    assert (tmp_path / "admin-password").stat().st_mode & 0o777 == 0o600
    (tmp_path / "admin-token").write_text("the library has created the account")
    assert first_password(tmp_path) == password
    forget(tmp_path)
    assert first_password(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["admin-token"]


def test_a_configured_password_is_not_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_ADMIN_PASSWORD", "chosen by the operator")
    assert first_password(tmp_path) == ""
    assert not list(tmp_path.iterdir())
