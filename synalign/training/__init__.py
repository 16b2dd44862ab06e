"""Trains a retriever on a training set with sentence-transformers' own trainer, and says what it is worth.

`corpus` reads what is ranked and judged, `retriever` loads and runs a model, `loss` chooses the loss and its columns,
`kept` keeps the best of the checkpoints, `fit` trains, `comparison` tells what came of it, beside the model before
training and the champion. Nothing here talks to MLflow: `synalign.registry.trained` registers.
"""
