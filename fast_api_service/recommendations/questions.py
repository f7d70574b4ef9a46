"""Questions as they come in: what a placement must be told, and lists of ids in a query."""

from fast_api_service.problems import FieldProblem, invalid
from fast_api_service.recommendations.view import Question
from recsys.schema import Placement

MOST_IDS = 100
# What a placement cannot do without.
NEEDED = {str(Placement.PRODUCT): "item_ids", str(Placement.CATEGORY): "category_id"}


def question_of(placement: str, question: Question) -> tuple[str, Question]:
    """The placement's plain name, and the question, if it is complete.

    Raises:
        ProblemError: 422, naming what is missing.
    """
    needed = NEEDED.get(placement)
    if needed is not None and not getattr(question, needed):
        missing = f"The placement {placement} needs {needed}"
        raise invalid([FieldProblem(field=needed, value=None, message=missing, remedy="Give it.", reason="missing")])
    return str(placement), question


def split_ids(field: str, text: str | None) -> tuple[str, ...]:
    """The ids of a comma-separated list.

    Raises:
        ProblemError: 422 for more than `MOST_IDS`.
    """
    ids = tuple(filter(None, text.split(","))) if text else ()
    if len(ids) > MOST_IDS:
        raise invalid(
            [
                FieldProblem(
                    field=f"query.{field}",
                    value=len(ids),
                    message=f"There are {len(ids)} ids",
                    remedy=f"Give at most {MOST_IDS}.",
                    reason="too_long",
                )
            ]
        )
    return ids
