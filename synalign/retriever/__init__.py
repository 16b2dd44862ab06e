"""Retrievers trained on weighted pairs: a loss and a sampler for anyone's trainer, and a loop that compares weights.

`loss`, `cached`, `sampler` and `dataset` are for sentence-transformers' trainer. `train` is the loop, on a
`collection`, by a `recipe`, for a `learner` of three sizes: `adapter`, `static`, `full`.
"""
