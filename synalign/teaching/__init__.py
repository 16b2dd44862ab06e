"""Teachers: models that say how well documents answer a query, and what their scores object to.

`teachers` gives scores, `objections` says which negatives and which pairs a teacher takes out.
"""
