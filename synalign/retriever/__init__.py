"""Retrievers trained on real and synthetic pairs: a weighted recipe, and what each weighting does to a retriever."""
