"""The examples of docs/api.md do what it says, against the running service."""

import json
import re
import subprocess

from recsys.settings import PROJECT_ROOT
from tests.fast_api_service.running_service import Service

GUIDE = (PROJECT_ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
# The guide's ids are RetailRocket's; these are the test shop's.
IDS = {"187946": "s0", "461686": "s1", "257597": "gina"}


def test_every_request_of_the_guide_succeeds(api: Service) -> None:
    for kind, block in BLOCKS:
        if kind != "sh" or "curl" not in block:
            continue
        for given, ours in IDS.items():
            block = block.replace(given, ours)
        variables = {"API": str(api.client.base_url).rstrip("/"), "SHOP_API_KEY": api.keys["admin"]}
        variables["ADMIN_API_KEY"] = api.keys["admin"]
        script = f'set -eu\ncurl() {{ command curl --fail-with-body "$@"; echo; }}\n{block}'
        done = subprocess.run(["bash", "-c", script], env=variables | {"PATH": "/usr/bin:/bin"}, capture_output=True)
        assert done.returncode == 0, block + done.stdout.decode() + done.stderr.decode()
        answers = [json.loads(line) for line in done.stdout.splitlines() if line]
        assert answers
        assert not any(answer.get("rejected") for answer in answers)


def test_the_answers_it_shows_have_the_fields_the_service_gives(api: Service) -> None:
    shown = [json.loads(block) for kind, block in BLOCKS if kind == "json"]
    recommendations = api.get("/v1/recommendations", user_id="anna", limit=2).json()
    event = {"event_id": "guide", "event_type": "view", "user_id": "guide", "item_id": "s0"}
    receipt = api.post("/v1/events", event).json()
    problem = api.get("/v1/recommendations", limit="ten").json()
    assert [set(each) for each in shown] == [set(recommendations), set(receipt), set(problem)]
    assert set(shown[0]["items"][0]) == set(recommendations["items"][0])
    assert shown[2] == problem
