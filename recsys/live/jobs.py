"""What the worker does; a job is a function in a file of its own."""

from recsys.live.worker import Job

JOBS: tuple[Job, ...] = ()
