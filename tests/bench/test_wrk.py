from pathlib import Path

import pytest

from recsys.bench.wrk import Wrk
from recsys.errors import ConfigurationError


def test_a_missing_generator_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="'wrk' is missing") as caught:
        Wrk("http://127.0.0.1:1", tmp_path)
    assert "apt-get install wrk" in caught.value.remedy
