"""MLflow: the only package that talks to it. One noun per file; `connection` is what they share.

Nothing is imported here: commands that need an address alone must not wait seconds for MLflow to load.
"""
