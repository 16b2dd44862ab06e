"""Make a folder with all secrets that `compose.yaml` asks for, each at random; nothing that is there is touched.

make_secrets.py FOLDER

The folder is readable by its owner alone (0700), which is what protects the files: in it they are readable by all,
for each container runs as a user of its own and sees only those that compose.yaml gives it.
"""

import json
import secrets
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

RANDOM = (
    *("postgres_password", "airflow_database_password", "mlflow_database_password"),
    *("airflow_secret_key", "airflow_jwt_secret", "airflow_admin_password"),
    *("mlflow_secret_key", "mlflow_admin_password", "mlflow_password"),
    *("storage_access_key", "storage_secret_key", "spark_secret"),
)
"""Secrets that are nothing but random."""


def main() -> None:
    """Make what is missing, and say what there is to do."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in RANDOM:
        _put(folder / name, secrets.token_urlsafe(32))
    # Fernet's own format: 32 bytes.
    _put(folder / "airflow_fernet_key", urlsafe_b64encode(secrets.token_bytes(32)).decode())
    _put(folder / "storage_identities", _identities(folder))
    _put(folder / "model_api_key", "no-key-needed")
    print(f"{folder} has all secrets. If your model endpoint needs a key, put it into {folder / 'model_api_key'}.")
    print(f"Airflow's user admin has the password in {folder / 'airflow_admin_password'}.")


def _identities(folder: Path) -> str:
    """Return the users of the storage server: one, who may do everything in the one bucket."""
    key = {
        "accessKey": (folder / "storage_access_key").read_text().strip(),
        "secretKey": (folder / "storage_secret_key").read_text().strip(),
    }
    identity = {"name": "synalign", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}
    return json.dumps({"identities": [identity]})


def _put(file: Path, secret: str) -> None:
    """Write a file, unless there is one: a secret that is in use must not change under its users."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secret, encoding="utf-8")
        file.chmod(0o444)


if __name__ == "__main__":
    main()
