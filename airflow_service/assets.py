"""What the DAGs hand on to each other. An asset's event carries the summary of the step that made it."""

from airflow.sdk import Asset

from recsys.schema import RecommendationTable

GROUP = "recsys"

PREPARED_DATASET = Asset("prepared_dataset", group=GROUP)
ALS_MODEL = Asset("als_model", group=GROUP)
RANKER = Asset("ranker", group=GROUP)
DEFAULT = Asset(RecommendationTable.DEFAULT.value, group=GROUP)
PERSONALIZED = Asset(RecommendationTable.PERSONALIZED.value, group=GROUP)
I2I = Asset(RecommendationTable.I2I.value, group=GROUP)
SIMILAR = Asset(RecommendationTable.SIMILAR.value, group=GROUP)
RANKED = Asset(RecommendationTable.RANKED.value, group=GROUP)
