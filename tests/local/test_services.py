"""What starts servers and refreshes is there at once: it loads none of what they load."""

import subprocess
import sys

HEAVY = ("mlflow", "torch", "pyspark", "scipy", "sklearn", "matplotlib", "openai", "airflow")


def test_a_refresh_is_there_before_anything_that_takes_seconds_to_load() -> None:
    ask = f"import sys, synalign.local.refresh; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
