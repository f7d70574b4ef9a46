import pytest

from recsys.errors import BadInputError
from recsys.models.als import Als
from recsys.models.known import MODELS, make


@pytest.mark.parametrize("name", MODELS)
def test_every_name_makes_the_model_of_that_name(name: str) -> None:
    assert make(name).name == name


def test_parameters_arrive() -> None:
    model = make("als", factors=7)
    assert isinstance(model, Als)
    assert model.settings.factors == 7


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInputError, match=r"no model 'eas'.*als.*item_to_item.*popularity"):
        make("eas")


@pytest.mark.parametrize("parameters", [{"factors": 0}, {"colour": "red"}])
def test_parameters_that_do_not_fit_are_refused(parameters: dict[str, object]) -> None:
    name = "als" if "factors" in parameters else "item_to_item"
    with pytest.raises(BadInputError, match=f"model '{name}' does not take these parameters"):
        make(name, **parameters)
