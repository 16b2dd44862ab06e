"""Python runs this when a child of a test starts, because the test puts this folder into PYTHONPATH."""

import starts

starts.watch_child()
