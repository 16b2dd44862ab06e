"""The embedded writer: a server that speaks the OpenAI protocols and writes by rules. It is no language model.

`server` is what is started; `language` writes; `faults` are what a real provider does wrong, on demand.
"""
