"""The service needs nothing that computes: whatever is made of texts or lists, others make it."""

import subprocess
import sys

HEAVY = ("numpy", "scipy", "sklearn", "pandas", "implicit", "catboost", "mlflow")
PROGRAM = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None  # an import of it fails
import fast_api_service.app
"""


def test_no_request_embeds_or_trains() -> None:
    """Of the reference: product texts were embedded on the request path."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
