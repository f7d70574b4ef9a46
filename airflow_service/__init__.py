"""The pipelines as Airflow DAGs: wiring only, all work is done by `recsys.pipeline`.

DAG files are read again and again by the DAG processor, so nothing here imports `recsys.pipeline` (and with it
polars, boto3 or CatBoost) before a task runs.
"""
