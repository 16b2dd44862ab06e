"""MLflow: the only package that talks to it. One noun per file; `connection` is what they share.

Nothing is imported here: `address` and `lookup` serve commands that must start without MLflow.
"""
