"""Make the MLflow user that jobs log in as, who is no administrator; nothing where there is one.

Reads $MLFLOW_TRACKING_URI, $MLFLOW_TRACKING_USERNAME and $MLFLOW_TRACKING_PASSWORD (the administrator's), and
$USER_NAME and $USER_PASSWORD (the new user's).
"""

import os

from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client


def main() -> None:
    """Make the user."""
    client = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    name = os.environ["USER_NAME"]
    try:
        client.create_user(name, os.environ["USER_PASSWORD"])
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        print(f"MLflow has the user {name}")
    else:
        print(f"MLflow has a new user {name}")


if __name__ == "__main__":
    main()
