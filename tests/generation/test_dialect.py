"""What an endpoint refuses decides how it is asked: once, for all requests, and for the next process."""

from __future__ import annotations

from synalign.generation.dialect import Dialect
from synalign.generation.refusals import BOUNDS, SEED, STRUCTURED, TEMPERATURE, Refusal, is_bounded
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


def test_a_schema_with_bounds_is_sent_until_it_is_refused_for_them(tmp_path):
    record = tmp_path / "endpoint.jsonl"
    dialect = Dialect(configured(), record)
    bounded = WRITE._replace(limits=WRITE.limits._replace(queries=2, query_characters=80))
    sent = dialect.parameters(bounded)
    assert is_bounded(sent)
    assert dialect.learn(Refusal((BOUNDS,)), sent)
    dialect.close()
    kept = Dialect(configured(), record)
    assert kept.structured_output == "json_schema" and not is_bounded(kept.parameters(bounded))
    # Refused without any bounds, it is the schema.
    assert not kept.learn(Refusal((BOUNDS,)), kept.parameters(bounded))
    kept.close()


def test_a_context_that_the_configuration_says_is_believed_before_the_endpoint():
    dialect = Dialect(configured(context_tokens=1000))
    dialect.note_window(9000, cuts=False)
    assert dialect.window == 1000


def test_what_would_be_cut_without_a_word_is_not_sent():
    long = WRITE._replace(messages=[{"role": "user", "content": "word " * 3000}])
    refusing, cutting, said = Dialect(configured()), Dialect(configured()), Dialect(configured(context_tokens=4096))
    refusing.note_window(4096, cuts=False)
    cutting.note_window(4096, cuts=True)
    # 6,000 tokens by an estimate that is too high.
    assert cutting.too_long(long)
    assert not said.too_long(long) and not refusing.too_long(long)
    much = WRITE._replace(messages=[{"role": "user", "content": "word " * 9000}])
    assert said.too_long(much)
    # It counts better, and its refusal costs nothing.
    assert not refusing.too_long(much) and not Dialect(configured()).too_long(much)
