"""Exit 0 when a page answers, and the part of it that is named is healthy.

healthy.py URL           the page answers with status 200
healthy.py URL PART      and is JSON whose PART has the status `healthy`, as Airflow's page of its services is
healthy.py URL PART=X    or whose PART is X, as on Spark's pages
"""

import json
import sys
import urllib.request


def main() -> None:
    """Look once."""
    url, *part = sys.argv[1:]
    with urllib.request.urlopen(url, timeout=10) as response:
        page = response.read()
    if not part:
        return
    name, _, wanted = part[0].partition("=")
    found = json.loads(page)[name]
    state = found if wanted else found["status"]
    if state != (wanted or "healthy"):
        sys.exit(f"{name} is {state}")


if __name__ == "__main__":
    main()
