"""The seven steps, each one plain function of a RunContext; a DAG task and `recsys run` call the same function."""
