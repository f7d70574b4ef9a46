"""The load generator `wrk`: cheap enough to share two cores with what it measures."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import ConfigurationError

# Takes random lines of the requests file. With a pause, a connection waits a random time around that mean before each
# request: load at a given rate. `@ID@` in a body becomes a different text at every place and in every request.
SCRIPT = """
local requests, count = {}, 0
local prefix, made = os.time() .. "-", 0
function init(args)
  pause = tonumber(args[2])
  for line in io.lines(args[1]) do
    local method, path, key, body = line:match("^(%S+)\\t(%S+)\\t(%S*)\\t(.*)$")
    count = count + 1
    requests[count] = {method, path, {["X-API-Key"] = key, ["Content-Type"] = "application/json"}, body}
    if not body:find("@ID@", 1, true) then
      requests[count].text = wrk.format(unpack(requests[count]))
    end
  end
end
local function unique()
  made = made + 1
  return prefix .. made
end
function delay()
  return math.floor(2 * pause * math.random() + math.random())
end
function request()
  local chosen = requests[math.random(count)]
  if chosen.text then
    return chosen.text
  end
  return wrk.format(chosen[1], chosen[2], chosen[3], (chosen[4]:gsub("@ID@", unique)))
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"errors":%d,"p50_ms":%.4f,"p99_ms":%.4f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Request:
    """One request of a mix; one with a body is a POST."""

    path: str
    key: str = ""
    body: str = ""

    def line(self) -> str:
        """Its line of the requests file."""
        return f"{'POST' if self.body else 'GET'}\t{self.path}\t{self.key}\t{self.body}\n"


@dataclass(frozen=True)
class Load:
    """What one run saw; `errors` counts failed connections, timeouts and answers that are not 2xx or 3xx."""

    requests: int
    rps: float
    errors: int
    p50_ms: float
    p99_ms: float


class Wrk:
    """Runs `wrk` against one address, its connections kept open.

    Raises:
        ConfigurationError: it is not installed.
    """

    def __init__(self, address: str, folder: Path, connections: int = 16) -> None:
        found = shutil.which("wrk")
        if found is None:
            raise ConfigurationError(
                "The load generator 'wrk' is missing.", remedy="Install it: `apt-get install wrk` (Debian, Ubuntu)."
            )
        self.program, self.address, self.folder, self.connections = found, address, folder, connections
        self.script = folder / "wrk.lua"
        self.script.write_text(SCRIPT)

    def mix(self, name: str, requests: list[Request]) -> Path:
        """A file of requests for `run`."""
        path = self.folder / f"{name}.requests"
        path.write_text("".join(request.line() for request in requests))
        return path

    def run(self, mix: Path, seconds: float, pause_ms: float = 0) -> Load:
        """Load for `seconds`: as much as possible, or with a mean pause before each request of a connection."""
        return self.finish(self.start(mix, seconds, pause_ms))

    def start(self, mix: Path, seconds: float, pause_ms: float = 0) -> subprocess.Popen[str]:
        """The same in the background; `finish` waits for it."""
        command = [self.program, "-t1", f"-c{self.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command += ["-s", str(self.script), self.address, "--", str(mix), str(pause_ms)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def finish(process: subprocess.Popen[str]) -> Load:
        """What a background run saw."""
        output, _ = process.communicate()
        figures = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        return Load(rps=figures["requests"] / figures.pop("seconds"), **figures)
