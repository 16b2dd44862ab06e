"""One interval of one retriever: the folder of its tables, commits of steps, and reuse of finished ones.

    <base>/runs/<retriever>/<interval>/<step>/<attempt>/<table>/part-00000.parquet    first
    <base>/runs/<retriever>/<interval>/<step>/<attempt>/manifest.json                 then
    <base>/runs/<retriever>/<interval>/<step>/manifest.json                           last: it names that attempt
    <base>/runs/<retriever>/<interval>/configuration.json

The base is a folder or a prefix in object storage, and nothing is renamed in either. Every attempt at a step has a
folder of its own, whose manifest is written when its tables are there; the same manifest beside the attempts says which
of them counts, and is put there under the condition that it is still what it was when the attempt began. An attempt
without a manifest is stale: the next one deletes it. A whole one that does not count any more stays, since a
registered version may be there, until `synalign gc`. While a step works it holds a lock on the interval. Every attempt
that begins also leaves the configuration it works with, so that a run can be looked at where its YAML file is not. No
other module knows these paths.
"""

from synalign.run.attempt import Attempt
from synalign.run.interval import Interval
from synalign.run.run import CONFIGURATION, LOCK, Earlier, Run, finished_files, intervals, root

__all__ = ["CONFIGURATION", "LOCK", "Attempt", "Earlier", "Interval", "Run", "finished_files", "intervals", "root"]
