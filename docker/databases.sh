#!/usr/bin/env bash
# Run once by PostgreSQL's image, when its data folder is new: a user and a database for each who keeps state here.
set -euo pipefail

make_database() {  # user, password file, databases ...
    local user=$1 password
    password=$(<"$2")
    shift 2
    # The password is a variable of psql's: nothing in it can end the statement.
    psql --set ON_ERROR_STOP=1 --set user="$user" --set password="$password" --username "$POSTGRES_USER" \
        --dbname postgres --quiet <<<"CREATE USER :\"user\" PASSWORD :'password';"
    for database in "$@"; do
        createdb --username "$POSTGRES_USER" --owner "$user" --encoding UTF8 "$database"
        psql --username "$POSTGRES_USER" --dbname postgres --quiet \
            --command "REVOKE CONNECT ON DATABASE \"$database\" FROM PUBLIC"
    done
}

make_database airflow /run/secrets/airflow_database_password airflow
make_database mlflow /run/secrets/mlflow_database_password mlflow mlflow_users
