"""Make Airflow's first user, `admin`, who makes the others; nothing where there is one. Reads $ADMIN_PASSWORD."""

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

NAME = "admin"


@providers_configuration_loaded
def main() -> None:
    """Make the user. Airflow's own command would take the password as an argument, which all processes can read."""
    with get_application_builder() as builder:
        users = builder.sm
        if users.find_user(NAME) is not None:
            print(f"Airflow has the user {NAME}")
            return
        role = users.find_role("Admin")
        made = users.add_user(NAME, "SynAlign", "Admin", "admin@example.org", role, os.environ["ADMIN_PASSWORD"])
        if not made:
            raise SystemExit(f"Airflow did not make the user {NAME}; its log says why")
        print(f"Airflow has a new user {NAME}")


if __name__ == "__main__":
    main()
