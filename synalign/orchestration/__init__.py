"""What Airflow adds to the jobs: operators that know why a job failed, retries by cause, alerts and pages."""
