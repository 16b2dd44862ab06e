"""Children of tests run `sitecustomize.py`; here it would watch the process of the tests."""

collect_ignore = ["sitecustomize.py"]
