"""Make the bucket that $BUCKET names, unless it is there; address and keys are the usual AWS variables."""

import os

import boto3


def main() -> None:
    """Make it."""
    storage, name = boto3.client("s3"), os.environ["BUCKET"]
    # Made before: who owns a bucket may ask for it again, but not every server answers alike.
    if name not in [bucket["Name"] for bucket in storage.list_buckets()["Buckets"]]:
        storage.create_bucket(Bucket=name)
    print(f"there is a bucket {name}")


if __name__ == "__main__":
    main()
