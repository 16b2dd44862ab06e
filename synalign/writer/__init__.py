"""The embedded writer: a server that speaks the OpenAI protocols and writes by rules. It is no language model.

`server` is started; `language` writes; `faults` are those of a real provider, on demand: `--fault`, for users who try
out a refresh on a provider's bad day.
"""
