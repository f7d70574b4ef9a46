"""All that can be judged by name: the suite's models, and the peers they are measured against."""

from typing import Any

from recsys.errors import BadInputError
from recsys.evaluation.judging import Judged
from recsys.evaluation.peers.base import Peer
from recsys.evaluation.peers.implicit import ImplicitAls, ImplicitBm25, ImplicitBpr, ImplicitCosine
from recsys.evaluation.peers.rectools import RecToolsAls, RecToolsEase, RecToolsKnn, RecToolsSvd
from recsys.models import known

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for peer in (
        ImplicitAls,
        ImplicitBpr,
        ImplicitBm25,
        ImplicitCosine,
        RecToolsEase,
        RecToolsAls,
        RecToolsKnn,
        RecToolsSvd,
    )
}


def make(name: str, **parameters: Any) -> Judged:
    """An unfitted model or peer.

    Raises:
        BadInputError: none has that name, or it has no such parameter or not with such a value.
        ConfigurationError: a peer's environment is not there.
    """
    if name in PEERS:
        return PEERS[name](**parameters)
    if name not in known.MODELS:
        raise BadInputError(
            f"There is no model {name!r}.",
            remedy=f"The known models are: {', '.join(sorted(known.MODELS))}; the peers: {', '.join(PEERS)}.",
        )
    return known.make(name, **parameters)
