"""An archive of Spark's classes: a JVM that maps it into memory is up in half the time of one that loads each class.

    spark-submit tests/java.py FOLDER     what the JVM does whose classes are archived

It is Java's class data sharing (JEP 350). A JVM that cannot use the archive, as with another Java, loads as ever.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

FOLDER = Path(__file__).resolve().parent.parent / ".pytest_cache"
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of every JVM of the tests: over some thousand rows, compiling code well would be most of what Spark does."""


def options() -> str:
    """`QUICK` with the archive, which the first call of a checkout makes."""
    import pyspark

    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    java = os.path.realpath(shutil.which("java", path=_path()) or "java")
    key = hashlib.sha256(f"{java} {submit} {pyspark.__version__}".encode()).hexdigest()[:12]
    FOLDER.mkdir(exist_ok=True)
    kept = FOLDER / f"spark-{key}.jsa"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            _make(submit, kept)
    return (
        f"{QUICK} -XX:SharedArchiveFile={kept} -Xlog:disable -Xlog:all=error:stderr" if kept.stat().st_size else QUICK
    )


def _path() -> str:
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin" if home else os.environ["PATH"]


def _make(submit: Path, kept: Path) -> None:
    """Leave an empty file where Java can make no archive: nobody tries again."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "archive.jsa"
        environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
        environment["SPARK_SUBMIT_OPTS"] = f"{QUICK} -XX:ArchiveClassesAtExit={draft}"
        environment |= {
            "PYTHONPATH": str(FOLDER.parent),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        settings = ("spark.ui.enabled=false", "spark.sql.codegen.wholeStage=false", "spark.sql.shuffle.partitions=2")
        chosen = [part for setting in settings for part in ("--conf", setting)]
        command = [str(submit), "--master", "local[1]", *chosen, __file__, folder]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if draft.exists():
            shutil.move(draft, kept)
        else:
            kept.touch()


def _work(folder: str) -> None:
    """Do with Spark a little of all that the steps do."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from synalign.spark.session import content_id, session

    with session("classes") as spark:
        frame = spark.range(2000).select(F.col("id"), content_id("id").alias("key"), (F.col("id") % 7).alias("group"))
        frame = frame.repartition(2, "key").sortWithinPartitions("key")
        frame.mapInArrow(lambda batches: batches, frame.schema).write.parquet(f"{folder}/table")
        rows = spark.read.parquet(f"{folder}/table").cache()
        ranked = rows.withColumn("rank", F.row_number().over(Window.partitionBy("group").orderBy("key")))
        counts = rows.groupBy("group").agg(F.count("*").alias("count"), F.collect_list("key").alias("keys"))
        ranked.join(counts, "group").where("rank < 4").orderBy("group", "rank").collect()
        rows.select(F.to_json(F.struct("*")).alias("value")).write.text(f"{folder}/lines")
        spark.read.json(f"{folder}/lines").join(F.broadcast(counts), "group", "left").count()


if __name__ == "__main__":
    _work(sys.argv[1])
