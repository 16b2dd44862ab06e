"""The step *evaluate*: which weighting makes the better retriever, and whether any of them does harm.

`material` reads the run's tables, `arms` gives each arm its weights, `trial` trains and judges them
(`synalign.retriever` is how), `ladder` compares them on validation queries from the simplest up, `choice` says what is
chosen and why, `comparison` tells effects from chance, `gate` finds harm; `figures`, `report` and `chart` show it all.
"""
