"""Print a secret from its file, for settings that are the output of a command (`AIRFLOW__..._CMD`).

secret.py FILE          the secret
secret.py FILE URL      a URL with the secret as its user's password, where the URL has `SECRET`
"""

import sys
from pathlib import Path
from urllib.parse import quote


def main() -> None:
    """Print it, without a line's end: Airflow takes all that is printed."""
    file, *url = sys.argv[1:]
    secret = Path(file).read_text(encoding="utf-8").strip()
    if not secret:
        sys.exit(f"{file} is empty; docker/make_secrets.py makes it")
    sys.stdout.write(url[0].replace("SECRET", quote(secret, safe="")) if url else secret)


if __name__ == "__main__":
    main()
