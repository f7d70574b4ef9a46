"""The package RecTools, which cannot be installed beside ours, in a Python of its own.

`make peers` makes one from `research/peers/requirements.txt`; `RECTOOLS_PYTHON` names another. Arrays travel as files
in a temporary folder, a line on the process's pipes says what is asked for, and so the times measured are those of the
package but for some milliseconds.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import numpy as np
from scipy import sparse

from recsys.errors import ConfigurationError, UnavailableError
from recsys.evaluation.peers.base import Peer, check_parameters, padded
from recsys.settings import PeerSettings, load

SETTING = "RECTOOLS_PYTHON"
_SCRIPT = Path(__file__).with_name("rectools_process.py")


class RecTools(Peer):
    """A model of RecTools in a process of its own, which ends with this object."""

    defaults: ClassVar[dict[str, object]]

    def __init__(self, **parameters: object) -> None:
        """`parameters` are those that `defaults` names.

        Raises:
            BadInputError: another parameter.
            ConfigurationError: there is no such Python.
        """
        self.parameters = check_parameters(self.name, parameters, self.defaults)
        python = load(PeerSettings).rectools_python
        if python is None:
            raise ConfigurationError(
                f"There is no Python to run {self.name!r} with.",
                remedy=f"Make one with `make peers`, or name in {SETTING} one that has RecTools.",
            )
        self._folder = tempfile.TemporaryDirectory(prefix="recsys-rectools-")
        self._process = subprocess.Popen(
            # -I keeps this folder, whose modules are named after packages, out of its imports.
            [str(python.absolute()), "-I", str(_SCRIPT), self.name, json.dumps(self.parameters)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._folder.name,
            text=True,
        )
        self._ask("start")  # its imports are no part of a fit

    def _learn(self, weights: sparse.csr_matrix) -> None:
        pairs = weights.tocoo()
        np.savez(Path(self._folder.name) / "fit.npz", user=pairs.row, item=pairs.col, weight=pairs.data)
        self._ask("fit")

    def _best(self, users: np.ndarray, k: int, *, leave_out_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        np.savez(Path(self._folder.name) / "ask.npz", user=users)
        self._ask("recommend", k=k, leave_out_seen=leave_out_seen)
        with np.load(Path(self._folder.name) / "lists.npz") as found:
            rows = np.searchsorted(users, found["user"])
            order = np.lexsort((found["rank"], rows))
            return padded(rows[order], found["item"][order], found["score"][order], len(users))

    def _ask(self, what: str, **details: Any) -> None:
        """Have the process do something, and wait for it.

        Raises:
            UnavailableError: it has ended; what it said stands on standard error.
        """
        asked, answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        try:
            asked.write(json.dumps({"do": what} | details) + "\n")
            asked.flush()
            answer = answers.readline()
        except BrokenPipeError:
            answer = ""
        if answer != "done\n":
            raise UnavailableError(
                f"The process of {self.name!r} has ended while it was to {what}.",
                remedy="See its message above; too little memory for the catalogue is the usual reason.",
            )

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            process.kill()
            process.communicate()


class RecToolsEase(RecTools):
    """`EASEModel`: items by items, dense."""

    name = "rectools_ease"
    defaults: ClassVar = {"regularization": 500.0}


class RecToolsAls(RecTools):
    """`ImplicitALSWrapperModel`."""

    name = "rectools_als"
    defaults: ClassVar = {"factors": 100, "regularization": 0.01, "alpha": 1.0, "iterations": 15, "random_state": 42}


class RecToolsKnn(RecTools):
    """`ImplicitItemKNNWrapperModel` with TF-IDF."""

    name = "rectools_knn"
    defaults: ClassVar = {"K": 20}


class RecToolsSvd(RecTools):
    """`PureSVDModel`."""

    name = "rectools_svd"
    defaults: ClassVar = {"factors": 100}
