import sys

import numpy as np
import pytest

from recsys.evaluation import peak_memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_peak_is_that_since_the_last_reset() -> None:
    np.ones(50_000_000)  # 400 MB, gone at once
    peak_memory.reset()
    before = peak_memory.megabytes()
    np.ones(25_000_000)
    after = peak_memory.megabytes()
    assert before is not None
    assert after is not None
    assert 150 < after - before < 250
