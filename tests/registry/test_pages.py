"""Addresses of MLflow's pages."""

import pytest

from synalign.registry.pages import experiment_path, model_path, page, run_path


@pytest.mark.parametrize("path", [run_path("1", "ab"), experiment_path("1"), model_path("shop", "2")])
def test_there_is_no_page_without_a_server(path: str) -> None:
    assert page("sqlite:///mlflow.db", path) is None
    assert page("http://user:canary@127.0.0.1:5000", path) == f"http://127.0.0.1:5000/{path}"
