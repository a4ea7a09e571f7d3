from __future__ import annotations

import pytest

from server.settings import (
    Settings,
    SettingsError,
    load_settings,
    shown,
    unknown_variables,
)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "x", "AIBRIDGE_PORT: input should be a valid integer"),
        ("PORT", "70000", "AIBRIDGE_PORT: input should be less than or equal to 65535."),
        ("MEMBER_ACCESS", "all", "AIBRIDGE_MEMBER_ACCESS: input should be 'none' or 'own'."),
        ("DATABASE_URL", "mysql://x", "AIBRIDGE_DATABASE_URL: must begin with postgresql://."),
        ("DATABASE_URL", "nonsense", "AIBRIDGE_DATABASE_URL: is not a URL of the form"),
        ("DATABASE_URL", "postgresql://ann@host", "AIBRIDGE_DATABASE_URL: names no database:"),
        ("OPERATION_TIMEOUT", "inf", "AIBRIDGE_OPERATION_TIMEOUT: input should be less than or"),
        ("POOL_TIMEOUT", "nan", "AIBRIDGE_POOL_TIMEOUT: input should be"),
        ("CORS_ORIGINS", "foo", "AIBRIDGE_CORS_ORIGINS: must be origins as browsers send them"),
        ("CORS_ORIGINS", "https://a.com,https://b.com/", "AIBRIDGE_CORS_ORIGINS: must be origins"),
        ("CORS_ORIGINS", "*", "AIBRIDGE_CORS_ORIGINS: must be origins"),
        ("ENABLED", "perhaps", "AIBRIDGE_ENABLED: input should be a valid boolean"),
        ("ONLY_TRUSTED", "true", "AIBRIDGE_ONLY_TRUSTED: refuses every document unless"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"AIBRIDGE_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    text = str(refused.value)
    assert text.startswith(sentence)
    assert text.endswith(".")
    assert "\n" not in text


def test_a_given_value_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIBRIDGE_PORT", "1234")
    assert load_settings().port == 1234
    assert load_settings(port=4321).port == 4321
    assert load_settings(port=None).port == 1234


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIBRIDGE_PORT", "")
    assert load_settings().port == 8000


def test_what_is_printed_holds_no_password() -> None:
    settings = load_settings(database_url="postgresql://ada:hunter2@db.example.com/audit")
    printed = shown(settings)
    assert printed["AIBRIDGE_DATABASE_URL"] == "postgresql://ada:***@db.example.com/audit"
    assert "hunter2" not in repr(settings)
    assert set(printed) == {f"AIBRIDGE_{name.upper()}" for name in Settings.model_fields}


def test_a_slip_of_the_pen_is_found() -> None:
    assert unknown_variables(["AIBRIDGE_PORT", "AIBRIDGE_PROT", "HOME"]) == ["AIBRIDGE_PROT"]
