"""Forgetting a user's query: where it is found, what is rewritten without it, and what is left for people to do.

Everything is immutable elsewhere: here parts are written anew without the query, then what points at them is moved, and
only then the old parts are removed. Killed anywhere, it is run again and goes on.
"""
