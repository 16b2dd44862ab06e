import numpy as np

from synalign.screening.personal import kinds_held

KINDS = ("email", "phone", "card", "ip", "digits", "name")


def test_queries_that_hold_personal_data_are_found_with_the_number_of_kinds() -> None:
    queries = ["how to sort a list", "write to jane.roe@example.org", "reset 10.20.30.40 for jane.roe@example.org"]
    held, kinds = kinds_held(queries, KINDS, ("US",))
    assert held.tolist() == [False, True, True]
    assert kinds[0] == 0
    assert kinds[1] == 1
    assert kinds[2] == 2


def test_a_placeholder_of_redaction_is_no_query() -> None:
    queries = ["reset the password of [EMAIL]", "orders of [name]", "what is an email address", "[1] email [2] name"]
    assert kinds_held(queries, KINDS, ("US",))[0].tolist() == [True, True, False, False]


def test_only_what_the_settings_call_personal_counts() -> None:
    assert not kinds_held(["write to jane.roe@example.org"], ("card",), ("US",))[0].any()
    assert not kinds_held(["write to jane.roe@example.org"], (), ())[0].any()


def test_a_query_may_name_the_person_that_its_document_is_about() -> None:
    held, _ = kinds_held(["when was Angela Merkel born", "Barack Obama's wife"], KINDS, ("US", "DE"))
    assert not held.any()


def test_no_queries() -> None:
    held, kinds = kinds_held([], KINDS, ("US",))
    assert (held.shape, held.dtype, kinds.shape) == ((0,), np.dtype(bool), (0,))
