"""Tests of the optional extra `neural`, which the default set-up leaves out and .ci/run installs where it can."""

import importlib.util

import pytest

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed; it comes with the extra 'neural'"
)
