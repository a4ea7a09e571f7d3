from __future__ import annotations

from ipaddress import ip_network

import pytest

from server.settings import SettingsError, load_settings, shown


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("UPSTREAM_URL", "bridge:4001", "must be a URL of the form"),
        ("UPSTREAM_URL", "http://", "must be a URL of the form"),
        ("UPSTREAM_URL", "http://bridge:x", "must be a URL of the form"),
        ("UPSTREAM_URL", "http://a b", "must be a URL of the form"),
        ("UPSTREAM_URL", "http://u:p@bridge", "must not hold a user or password"),
        ("UPSTREAM_URL", "http://bridge/?a=1", "must not hold a query"),
        ("LIMITS_STORAGE", "memcached://x", "must begin with memory://"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "must be addresses or networks"),
        ("MAX_CONCURRENCY", "-1", "input should be greater than or equal to 0"),
        ("UPSTREAM_TIMEOUT", "0", "input should be greater than 0"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"AIBRIDGE_{name}", value)
    with pytest.raises(SettingsError, match=f"^AIBRIDGE_{name}: {sentence}"):
        load_settings()


def test_values_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIBRIDGE_UPSTREAM_URL", "https://bridge/base/")
    monkeypatch.setenv("AIBRIDGE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    monkeypatch.setenv("AIBRIDGE_LIMITS_STORAGE", "redis://:hunter2@host:6379/0")
    settings = load_settings()
    assert settings.upstream_url == "https://bridge/base"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert shown(settings)["AIBRIDGE_TRUSTED_PROXIES"] == "10.0.0.0/8, ::1/128"
    assert "hunter2" not in str(shown(settings))
