"""What the worker does; a job is a function in a file of its own."""

from recsys.live.exploration import Exploration
from recsys.live.forgetting import forget_old
from recsys.live.newest import list_products
from recsys.live.rollup import roll_up
from recsys.live.training import train_on_demand
from recsys.live.trending import Trending
from recsys.live.vectors import update_vectors
from recsys.live.worker import Job

JOBS: tuple[Job, ...] = (
    Job("trending", 10.0, Trending().run),
    Job("newest", 10.0, list_products),
    Job("exploration", 10.0, Exploration().run),
    Job("training", 3.0, train_on_demand),
    Job("rollup", 60.0, roll_up),
    Job("vectors", 1.0, update_vectors),
    Job("forgetting", 3600.0, forget_old),
)
