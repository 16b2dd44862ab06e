"""A small training set, and sentence-transformers' own trainer on it."""

from pathlib import Path

import numpy as np
import pyarrow as pa


def training_set(weights: list[float]) -> pa.Table:
    words = ["bat", "cell", "ding", "foom", "gat", "hell", "bing", "coom"]
    pairs = zip(words, weights, strict=True)
    rows = [(f"find {word}", f"about {word[::-1]}", weight, "train") for word, weight in pairs]
    rows.append(("find dell", "about lled", 1.0, "test"))
    return pa.table(dict(zip(("query", "document", "weight", "split"), zip(*rows, strict=True), strict=True)))


def trained(model_folder: str, folder: Path, loss_of: object, dataset: object, **settings: object) -> np.ndarray:
    """Token vectors after some steps in the library's own trainer."""
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments

    model = SentenceTransformer(model_folder, device="cpu")
    arguments = Arguments(
        output_dir=str(folder), max_steps=4, per_device_train_batch_size=4, learning_rate=0.1, report_to="none",
        save_strategy="no", disable_tqdm=True, seed=1, use_cpu=True, **settings,
    )  # fmt: skip
    loss = loss_of(model)
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=dataset, loss=loss).train()
    return next(model.parameters()).detach().numpy().copy()
