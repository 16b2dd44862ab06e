"""Arrays that every task needs: sent to each worker once, where the session can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pyspark import Broadcast

from synalign.spark.remote import is_remote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")


class Sent(NamedTuple, Generic[T]):
    """What travels with the function that needs it: a Spark Connect server has no broadcast variables."""

    value: T


def shared(spark: SparkSession, value: T) -> Broadcast[T] | Sent[T]:
    """Return what gives the tasks a value."""
    return Sent(value) if is_remote(spark) else spark.sparkContext.broadcast(value)


def release(held: Broadcast[Any] | Sent[Any]) -> None:
    """Let the workers forget a value."""
    if isinstance(held, Broadcast):
        held.destroy()
