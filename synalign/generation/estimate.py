"""What a refresh will ask of the language model, in requests, tokens and money, before anything is sent.

Two figures for each amount. The *estimate* takes answers to be as long as they were in the retriever's latest
refresh, or as they usually are, and tokens to be as many as that refresh was billed for. *At most* takes every answer
to be as long as it may be (`generation.max_output_tokens`), and counts tokens by a rule that gives too many in any
language. What the first answer of a batch says goes into its second request: the estimate takes attributes of the
latest refresh for that, or usual ones; at most they are as long as the prompt allows. Neither knows of tries that fail
after the model has written something, which cost extra and which a ceiling counts, nor of answers that the journal
already has, which cost nothing.

Prompts are rendered from what is there: the batches of the latest interval, or else its queries and documents, or else
texts as long as the configuration lets them be.

Beside it stands what was paid for before: which queries of earlier intervals the refresh would take up with these
settings, and why it would leave the others behind.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from synalign.arrays.checks import evenly_spaced
from synalign.config import Configuration
from synalign.embedding import encoder
from synalign.errors import RunError, SetupError
from synalign.generation import outcomes
from synalign.generation.attributes import REASON, reason_request
from synalign.generation.budget import cost, tokens_of
from synalign.generation.combinations import MOST_COMBINED
from synalign.generation.demonstration_batches import Batch, Document, pieces, read_batches
from synalign.generation.ledger import NOT_RETURNED
from synalign.generation.request import Request
from synalign.generation.schemas import Attribute, LatentAttributes
from synalign.generation.writing import QUERY_TOKENS, WRITE, asked_for, write_request
from synalign.pool.uptake import forecast
from synalign.prompts.families import family
from synalign.run import Interval, Run, finished_files, intervals, manifests, root
from synalign.spark.folded import beyond_driver

RENDERED = 100
"""Most batches whose prompts are rendered; of more, this many evenly spaced ones stand for all."""

COMPARED = 10
"""Batches that are rendered with usual attributes, too: what attributes add differs little from batch to batch."""

REASON_TOKENS = 600
"""A usual answer to the first request: a dozen attributes with a handful of values each."""

Basis = Literal["batches", "texts", "configuration"]


class Amount(NamedTuple):
    """A figure that is not known yet.

    Attributes:
        estimate: What is to be expected.
        at_most: What it does not pass, failed tries aside, unless the model disregards the prompt.
    """

    estimate: float
    at_most: float


class Pool(NamedTuple):
    """What a refresh will take up of what earlier intervals wrote.

    Attributes:
        found: How many accepted, or not yet judged, queries earlier intervals have.
        carried: How many of them would be judged again.
        left: How many would be left behind, by reason.
        intervals: How many intervals those come from that are carried.
        documents_of: The interval whose documents and real queries they are held against, the latest ingested one.
        embedded_anew: How many of the carried have no vector of today's encoder, which is another than the last one's.
        batches_left_out: How many batches the latest refresh did not ask for (`sampling.stop_gain`); None where all
            are asked for, or none has been sampled.
    """

    found: int
    carried: int
    left: dict[str, int]
    intervals: int
    documents_of: str
    embedded_anew: int
    batches_left_out: int | None


class Estimate(NamedTuple):
    """What a refresh will ask for.

    Attributes:
        retriever: Name of the retriever.
        mode: How requests are sent.
        basis: What prompts were rendered from: `batches` of an interval, its `texts`, or the `configuration` alone.
        interval: The interval they are from; None without one.
        rendered: How many batches were rendered.
        batches: Batches of demonstrations, two requests each.
        requests: Requests for attributes and queries, where none is too long.
        queries: Queries asked for.
        tokens_in: Tokens sent.
        tokens_out: Tokens received.
        answers: Whether answers and tokens are taken to be as they were (`measured`) or usually are (`usual`).
        money: What it costs; None where no price is configured.
        currency: Of the money.
        max_money: The ceiling in money, if there is one.
        max_tokens: The ceiling in tokens, if there is one.
        pool: What is taken up of earlier intervals; None where `pool.nights` is 0, or nothing is ingested.
    """

    retriever: str
    mode: str
    basis: Basis
    interval: str | None
    rendered: int
    batches: int
    requests: int
    queries: int
    tokens_in: Amount
    tokens_out: Amount
    answers: Literal["measured", "usual"]
    money: Amount | None
    currency: str
    max_money: float | None
    max_tokens: int | None
    pool: Pool | None = None

    @property
    def verdict(self) -> Literal["no_ceiling", "fits", "may_stop", "stops"]:
        """Compare tokens and money with the ceilings: they fit at most, by the estimate alone, or not."""
        tokens = Amount(*map(sum, zip(self.tokens_in, self.tokens_out, strict=True)))
        ceilings = [(tokens, self.max_tokens), (self.money, self.max_money)]
        limited = [(amount, most) for amount, most in ceilings if amount is not None and most is not None]
        if not limited:
            return "no_ceiling"
        if any(amount.estimate > most for amount, most in limited):
            return "stops"
        return "fits" if all(amount.at_most <= most for amount, most in limited) else "may_stop"


class _Past(NamedTuple):
    """What earlier requests came to.

    Attributes:
        asked: Tokens of a request for attributes, or of one for queries where there is none of those; None where none
            was measured.
        reason: Tokens of the answer to it.
        query: Tokens of the answer to the second, for each query that it is asked for.
        attributes: First answers.
    """

    asked: float | None
    reason: float
    query: float
    attributes: list[LatentAttributes]


def estimate(configuration: Configuration) -> Estimate:
    """Estimate the next refresh of a retriever. Reads what earlier ones left; sends and writes nothing."""
    basis, interval, batches, count = _batches(configuration)
    generation = configuration.generation
    past = _past(configuration)
    reasons = [reason_request(batch, configuration) for batch in batches] if family(configuration).attributes else []
    asks = [pieces(batch, configuration) or (batch,) for batch in batches]
    writes = [write_request(piece, _LONGEST, configuration) for whole in asks for piece in whole]
    named = zip(asks[:COMPARED], itertools.cycle(past.attributes), strict=False)
    usual = [write_request(piece, attributes, configuration) for whole, attributes in named for piece in whole]
    # All figures are of the rendered batches, and grow with the number of batches.
    scale = count / len(batches)
    queries = round(scale * sum(asked_for(batch, configuration) for batch in batches))
    asked, written = _tokens(reasons), _tokens(writes)
    expected = asked + written * _tokens(usual) / _tokens(writes[: len(usual)])
    if past.asked is not None:
        first = reasons or writes
        expected *= past.asked / (_tokens(first) / len(first))
    most = generation.max_output_tokens
    wholly = round(scale * (len(reasons) + len(writes)))
    # At most, the whole first answer stands in the second request, beside what is combined of it for every query.
    bound = max(expected, asked + written + len(reasons) * most)
    sent = Amount(round(scale * expected), round(scale * bound))
    named_out = scale * len(reasons) * min(past.reason, most)
    written_out = min(queries * past.query, scale * len(writes) * most)
    received = Amount(round(named_out + written_out), wholly * most)
    money = None
    if generation.budget.has_prices:
        spent = zip(sent, received, strict=True)
        money = Amount(*(cost(int(into), int(out), generation.budget, generation.mode) for into, out in spent))
    return Estimate(
        retriever=configuration.retriever,
        mode=generation.mode,
        basis=basis,
        interval=interval,
        rendered=len(batches),
        batches=count,
        requests=wholly,
        queries=queries,
        tokens_in=sent,
        tokens_out=received,
        answers="usual" if past.asked is None else "measured",
        money=money,
        currency=generation.budget.currency,
        max_money=generation.budget.max_money,
        max_tokens=generation.budget.max_tokens,
        pool=_pool(configuration),
    )


def as_json(found: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON, for programs."""
    content = found._asdict()
    content |= {name: part._asdict() for name, part in content.items() if isinstance(part, Amount | Pool)}
    return {**content, "verdict": found.verdict}


_USUAL = LatentAttributes(
    attributes=[
        Attribute(
            name=f"attribute {letter}",
            values_seen=[f"value seen {number} {letter}" for number in range(4)],
            values_generalised=[f"another value {number} {letter}" for number in range(4)],
        )
        for letter in "abcdefghijkl"
    ]
)
# The prompt allows no longer values, and no more of them are combined for a query.
_LONGEST = LatentAttributes(
    attributes=[
        Attribute(name=f"some attribute of all, {number}", values_seen=["s" * 100], values_generalised=["g" * 100])
        for number in range(MOST_COMBINED)
    ]
)


def _tokens(requests: Sequence[Request]) -> int:
    return sum(tokens_of(request.messages) for request in requests)


def _batches(configuration: Configuration) -> tuple[Basis, str | None, list[Batch], int]:
    """Return the batches to render, what they were made from, and how many there will be."""
    for run in _runs(configuration):
        try:
            # Nobody who asks what a run costs waits for Spark: texts that would be sampled from say it well enough.
            if not beyond_driver(run, "document_embeddings"):
                batches = read_batches(run)
                return "batches", run.interval.name, _some(batches), len(batches)
        except RunError:
            # Not sampled yet, or with other settings: the texts that would be sampled from may still be good.
            pass
        try:
            batches, count = _from_texts(run)
            return "texts", run.interval.name, batches, count
        except RunError:
            continue
    return "configuration", None, [_longest(configuration)], configuration.sampling.batches


def _pool(configuration: Configuration) -> Pool | None:
    """Return what the next interval would take up, and what the encoder and the latest batches have to do with it."""
    run = next(_runs(configuration), None)
    found = forecast(configuration) if configuration.pool.nights else None
    if found is None or run is None:
        return None
    anew = len(found.rows) if _another_encoder(configuration) else 0
    left_out = next((count for one in _runs(configuration) if (count := _left_out(one)) is not None), None)
    return Pool(found.found, len(found.rows), found.left, found.nights, run.interval.name, anew, left_out)


def _left_out(run: Run) -> int | None:
    """Return how many batches a run did not ask for; None where it has not sampled, or would ask for all now."""
    manifest = run.manifest("sample")
    if manifest is None or not run.configuration.sampling.stop_gain:
        return None
    return int(manifest["metrics"].get("batches_not_worth_asking", 0))


def _another_encoder(configuration: Configuration) -> bool:
    """Check whether vectors of the latest embedded interval are of another encoder than today's.

    By the settings and, where the model's files are on this machine, by its weights and how it would be run.
    """
    manifest = next((found for run in _runs(configuration) if (found := run.manifest("embed")) is not None), None)
    if manifest is None:
        return False
    before, now, metrics = manifest["settings"]["encoder"], configuration.encoder, manifest["metrics"]
    if (before["model"], before["max_tokens"]) != (now.model, now.max_tokens):
        return True
    if before.get("served", False) != (now.endpoint is not None):
        return True
    try:
        precision, revision = encoder.plan(now).precision, encoder.revision_of(now)
    except SetupError:
        return bool(before["precision"] != now.precision)
    if any(metrics.get(f"{side}_prompt", "") != prompt for side, prompt in encoder.prompts(now)._asdict().items()):
        return True
    # Of `auto` only the machines that embed know what it is.
    other = before["precision"] != now.precision and precision != metrics.get("precision", precision)
    return other or bool(revision != metrics.get("revision", revision))


def _runs(configuration: Configuration) -> Iterator[Run]:
    """Yield the runs of a retriever that have ingested anything, latest interval first."""
    for folder in reversed(intervals(root() / configuration.retriever)):
        if manifests.read(folder / "ingest" / manifests.NAME) is not None:
            yield Run(configuration, Interval.named(folder.name))


def _from_texts(run: Run) -> tuple[list[Batch], int]:
    """Return batches made of an interval's queries and documents, evenly spaced.

    Raises:
        RunError: It was ingested with other settings, or nothing can be sampled from it.
    """
    configuration = run.configuration
    queries, documents = run.read("queries", ["query", "split"]), run.read("documents")
    train = queries.filter(pc.equal(queries["split"], "train"))["query"].to_pylist()
    members = configuration.sampling.neighbours + 1
    count = min(configuration.sampling.batches, len(train) // members)
    if not count or not len(documents):
        raise RunError("there are too few train queries for a batch, or no documents.")
    made, size = min(count, RENDERED), min(_targets(configuration), len(documents))
    shown = [train[row] for row in evenly_spaced(len(train), made * members)]
    rows = [row % len(documents) for row in evenly_spaced(max(len(documents), made * size), made * size)]
    chosen = documents.take(pa.array(rows)).select(["document_id", "title", "text"]).to_pylist()
    return [
        Batch(
            f"batch{n}",
            tuple(shown[n * members : (n + 1) * members]),
            tuple(Document(**document) for document in chosen[n * size : (n + 1) * size]),
        )
        for n in range(made)
    ], count


def _longest(configuration: Configuration) -> Batch:
    """Return a batch in which every text is as long as it may be, in Latin letters: other scripts have more bytes."""
    query = _filler(configuration.ingest.max_query_characters)
    document = Document("document", _filler(300), _filler(configuration.generation.document_characters))
    return Batch(
        "batch",
        (query,) * (configuration.sampling.neighbours + 1),
        (document,) * _targets(configuration),
    )


def _targets(configuration: Configuration) -> int:
    """Return how many documents a batch is written for; a label is its batch's only one."""
    return configuration.generation.documents_per_batch if configuration.task == "retrieval" else 1


def _filler(characters: int) -> str:
    return ("words of five letters or so " * (characters // 28 + 1))[:characters]


def _some(batches: list[Batch]) -> list[Batch]:
    return [batches[place] for place in evenly_spaced(len(batches), min(len(batches), RENDERED))]


def _past(configuration: Configuration) -> _Past:
    """Measure the good answers of this model in the latest refresh that has any; else return the usual ones."""
    for run in _runs(configuration):
        manifest = run.manifest("generate")
        if manifest is None or manifest["settings"]["generation"]["model"] != configuration.generation.model:
            continue
        columns = ["kind", "outcome", "tokens_in", "tokens_out"]
        requests = manifests.read_table(finished_files(run.folder, "requests"), columns)
        good = requests.filter(pc.equal(requests["outcome"], outcomes.OK))
        reason, write = (good.filter(pc.equal(good["kind"], kind)) for kind in (REASON, WRITE))
        asked = _asked_in_answers(manifest["metrics"].get("ledger"))
        first = reason if len(reason) else write
        if len(first) and asked:
            sent, answered = (pc.mean(first[name]).as_py() for name in ("tokens_in", "tokens_out"))
            if None in (sent, answered, pc.sum(write["tokens_out"]).as_py()):
                # The endpoint does not say what it counts.
                continue
            return _Past(sent, answered, pc.sum(write["tokens_out"]).as_py() / asked, _attributes(run) or [_USUAL])
    return _Past(None, REASON_TOKENS, QUERY_TOKENS, [_USUAL])


def _attributes(run: Run) -> list[LatentAttributes]:
    """Return the first answers of a run, as far as the table keeps them."""
    table = manifests.read_table(finished_files(run.folder, "attributes")).to_pylist()
    answers: dict[str, dict[str, tuple[list[str], list[str]]]] = {}
    for row in table:
        values = answers.setdefault(row["batch_id"], {}).setdefault(row["name"], ([], []))
        values[row["generalised"]].append(row["value"])
    return [
        LatentAttributes(
            attributes=[
                Attribute(name=name, values_seen=seen, values_generalised=generalised)
                for name, (seen, generalised) in values.items()
            ]
        )
        for values in answers.values()
    ]


def _asked_in_answers(ledger: dict[str, Any] | None) -> int:
    """Return how many queries the answered requests asked for."""
    if not ledger or "surplus" not in ledger:
        return 0
    return int(ledger["returned"] - sum(ledger["surplus"].values()) + ledger["not_written"].get(NOT_RETURNED, 0))
