"""The run report: one HTML file that needs nothing else, for whoever must judge a refresh.

`write` makes it, `material` is what it is made from, `page` puts its sections together, every other module is one
section. Nothing is imported here: who wants only the verdict need not load what draws the maps.
"""
