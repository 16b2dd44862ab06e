"""What an endpoint refuses decides how it is asked: once, for all requests, and for the next process."""

from __future__ import annotations

from synalign.generation.dialect import Dialect
from synalign.generation.refusals import SEED, STRUCTURED, TEMPERATURE, Refusal
from tests.generation.test_request import WRITE, configured


def test_what_a_user_fixed_is_not_decided_otherwise(tmp_path):
    dialect = Dialect(configured(structured_output="json_object"))
    sent = dialect.parameters(WRITE)
    assert not dialect.learn(Refusal((STRUCTURED,)), sent)
    for _ in range(9):
        dialect.followed(sent, good=False)
    assert dialect.structured_output == "json_object"


def test_what_was_decided_is_kept_and_decided_once(tmp_path, caplog):
    record = tmp_path / "endpoint.jsonl"
    dialect = Dialect(configured(), record)
    sent = dialect.parameters(WRITE)
    # Several requests in flight meet the same refusal.
    for _ in range(3):
        assert dialect.learn(Refusal((SEED, TEMPERATURE)), sent)
        assert dialect.learn(Refusal((STRUCTURED,)), sent)
    assert len(caplog.records) == 3
    assert not dialect.learn(Refusal((SEED,)), dialect.parameters(WRITE))
    dialect.close()
    kept = Dialect(configured(), record)
    assert kept.summary() == dialect.summary() == {
        "structured_output": "json_object", "output_limit_name": "max_completion_tokens",
        "not_sent": "seed, temperature",
    }  # fmt: skip
    kept.close()
    other = Dialect(configured(model="another"), record)
    assert "not_sent" not in other.summary()
    other.close()


def test_a_form_that_worked_once_is_not_given_up():
    dialect = Dialect(configured())
    sent = dialect.parameters(WRITE)
    dialect.followed(sent, good=False)
    dialect.followed(sent, good=True)
    for _ in range(9):
        dialect.followed(sent, good=False)
    assert dialect.structured_output == "json_schema"
