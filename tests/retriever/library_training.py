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


def trained(
    model_folder: str, folder: Path, loss_of: object, dataset: object, *, rate: float = 0.1, **settings: object
) -> np.ndarray:
    """Token vectors after some steps in the library's own trainer."""
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments

    model = SentenceTransformer(model_folder, device="cpu")
    arguments = Arguments(
        output_dir=str(folder), max_steps=4, per_device_train_batch_size=4, learning_rate=rate, report_to="none",
        save_strategy="no", disable_tqdm=True, seed=1, use_cpu=True, **settings,
    )  # fmt: skip
    loss = loss_of(model)
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=dataset, loss=loss).train()
    return next(model.parameters()).detach().numpy().copy()


def with_negatives(weights: list[float], count: int = 2) -> pa.Table:
    """The same training set with hard negatives and a teacher's scores; the row of the test split has none."""
    table = training_set(weights)
    rows = table.num_rows
    last = rows - 1
    table = table.append_column("score", pa.array([9.0 - row if row < last else None for row in range(rows)]))
    for number in range(1, count + 1):
        texts = [f"not {number} of {row}" if row < last else None for row in range(rows)]
        table = table.append_column(f"negative_{number}", pa.array(texts, pa.string()))
    for number in range(1, count + 1):
        values = [row - 3.5 * number if row < last else None for row in range(rows)]
        table = table.append_column(f"negative_score_{number}", pa.array(values, pa.float64()))
    return table
