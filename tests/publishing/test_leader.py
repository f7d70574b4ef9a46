import os
import signal
import subprocess
import sys
from pathlib import Path

from recsys.publishing.leader import HostLeader

HOLDER = """
import sys, time
from pathlib import Path
from recsys.publishing.leader import HostLeader
print(HostLeader.acquire(leader := HostLeader(Path(sys.argv[1]))), flush=True)
time.sleep(60)
"""


def test_one_leads_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "leader.lock"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], env=environment, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"True\n"
    here = HostLeader(path)
    assert not here.acquire()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert here.acquire()
    assert here.acquire(), "and keeps leading"
    assert not HostLeader(path).acquire()
    here.release()
    assert HostLeader(path).acquire()
