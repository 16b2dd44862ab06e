"""The endpoint of a configuration: its key from the environment, or the embedded writer."""

from __future__ import annotations

import pytest

from synalign.config import Generation
from synalign.errors import ConfigurationError
from synalign.writer.endpoint import endpoint

KEY = "sk-of-a-test-0123456789"
SETTINGS = Generation(endpoint="https://api.example/v1")


def test_a_missing_key_names_its_variable_and_a_broken_one_is_not_shown(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"), endpoint(SETTINGS):
        pass
    monkeypatch.setenv("OPENAI_API_KEY", "sk-söcret\nnext")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught, endpoint(SETTINGS):
        pass
    assert "cret" not in str(caught.value).replace("OPENAI_API_KEY", "")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint(SETTINGS) as where:
        assert where.api_key == KEY and KEY not in repr(where)


def test_the_running_writer_of_the_environment_is_used(monkeypatch):
    embedded = SETTINGS.model_copy(update={"endpoint": "embedded"})
    monkeypatch.setenv("SYNALIGN_WRITER_URL", "http://127.0.0.1:9/v1")
    with endpoint(embedded) as where:
        assert where.url == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("SYNALIGN_WRITER_URL", "127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="SYNALIGN_WRITER_URL"), endpoint(embedded):
        pass
