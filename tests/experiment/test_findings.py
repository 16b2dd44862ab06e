"""Read-outs as plain data: read back whole, closed, and without anything heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from synalign.errors import RunError
from synalign.experiment.readout import read


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"experiment": 1}', "\udcff"])
def test_a_damaged_readout_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "readout.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RunError, match="cannot be read"):
        read(path)
    with pytest.raises(RunError, match="cannot be read"):
        read(tmp_path / "none.json")


def test_findings_are_read_without_anything_heavy() -> None:
    heavy = {"numpy", "pyspark", "tea_tasting", "mlflow", "matplotlib"}
    code = f"import sys, synalign.experiment.findings; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
