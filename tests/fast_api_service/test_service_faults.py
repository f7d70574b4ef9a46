"""What the service promises while something is broken: it keeps answering, says so, and loses nothing acknowledged."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from recsys.pipeline.context import RunContext
from recsys.schema import RecommendationTable
from recsys.stack.temporary import Broker
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from tests.conftest import wait_until
from tests.fast_api_service import published_shop, running_service, stoppable
from tests.fast_api_service.running_service import Service
from tests.fast_api_service.stoppable import Servers

HOME = "/v1/recommendations"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with stoppable.servers(tmp_path_factory.mktemp("servers")) as found:
        yield found


@pytest.fixture(scope="module")
def run(servers: Servers) -> RunContext:
    made = published_shop.context(servers.database, ObjectStore(servers.bucket))
    published_shop.publish_all(made, "-a")
    return made


@pytest.fixture(scope="module")
def service_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def api(servers: Servers, run: RunContext, service_folder: Path) -> Iterator[Service]:
    variables = running_service.environment(servers.database, servers.bucket, service_folder)
    with running_service.service(variables, service_folder) as started:
        wait_until(lambda: degraded(started) == [])
        yield started


def degraded(api: Service) -> list[str] | None:
    """What a dozen answers in a row say; None while the workers do not agree yet."""
    said = [api.get(HOME, user_id="anna").json()["degraded_reasons"] for _ in range(12)]
    return said[0] if all(reasons == said[0] for reasons in said) else None


def unavailable(api: Service) -> set[str]:
    """The servers that are away, as both health checks say; they still answer 200, because the service goes on."""
    said = [api.client.get(path) for path in ("/health/ready", "/healthcheck")]
    assert [(answer.status_code, answer.json()["status"]) for answer in said] == [(200, "degraded")] * 2
    first, second = (
        {name for name, each in answer.json()["dependencies"].items() if each["state"] == "unavailable"}
        for answer in said
    )
    assert first == second
    return first


@contextmanager
def load(api: Service, **parameters: Any) -> Iterator[list[httpx.Response]]:
    """Requests from four threads for the length of the block; yields their answers."""
    answers: list[httpx.Response] = []
    problems: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(api.get(HOME, user_id="anna", **parameters))
            except httpx.HTTPError as error:
                problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert {answer.status_code for answer in answers} == {200}


def test_postgres_stopped_and_started_under_load(api: Service, servers: Servers) -> None:
    event = {"event_type": "view", "user_id": "ida", "item_id": "x9"}
    assert api.post("/v1/events", event).status_code == 200
    with load(api) as answers:
        servers.postgres.stop()
        wait_until(lambda: degraded(api) == ["postgres_unavailable"])
        assert all(answer.json()["items"] for answer in answers)
        refused = api.post("/v1/events", event)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.json()["type"] == "urn:recsys:problem:unavailable"
        assert unavailable(api) == {"postgres"}
        kept = api.get("/v1/users/ida/events").json()
        assert (kept["degraded"], [each["item_id"] for each in kept["events"]]) == (True, ["x9"])
        servers.postgres.start()
        wait_until(lambda: degraded(api) == [])
        wait_until(lambda: api.post("/v1/events", event).status_code == 200)


def test_contracts_show_articles_and_titles_while_postgres_is_away(api: Service, servers: Servers) -> None:
    variants = [{"sku": "r2-s", "stock": 0}, {"sku": "r2-m", "stock": 3}]
    tent = {"title": "Tent", "category_id": "tents", "variants": variants}
    assert api.put("/v1/categories/tents", {"title": "Tents"}).status_code == 201
    assert api.put("/v1/products/r2-a", tent).status_code == 201

    def predicted(path: str, kind: str, **more: Any) -> Any:
        answer = api.post(path, {"recommendation_type": kind, "session_id": "s", "user_id": "anna"} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def shown() -> list[Any]:
        """What all workers say, without the ids of the answers."""
        skus = [each["product_variant_sku"] for each in predicted("/predict", "HOMEPAGE", limit=5)]
        page = [each["product_variant_sku"] for each in predicted("/predict", "PRODUCT_DETAIL", variants=["r2-s"])]
        whole = predicted("/predict/product_positions", "CATEGORY_LIST", category_id="tents")
        owned = api.get("/recommendation/anna")
        listed = api.get("/recs/anna")
        assert (owned.status_code, listed.status_code) == (200, 200), owned.text
        return [skus, page, whole, owned.json(), listed.json()]

    wait_until(lambda: all("r2-m" in shown()[0] and shown()[2] == {"r2-a": 0} for _ in range(6)))
    before = shown()
    assert not {"r2-a", "r2-s"} & {*before[0], *before[1]}
    told = {row["product_id"]: row for row in before[3]}
    assert told["r2-a"] == {"product_id": "r2-a", "product": "Tent", "category_id": "tents", "category": "Tents"}
    assert told["r3-a"] == {"product_id": "r3-a", "product": "r3-a", "category_id": None, "category": ""}
    servers.postgres.stop()
    wait_until(lambda: degraded(api) == ["postgres_unavailable"])
    assert all(shown() == before for _ in range(6))
    servers.postgres.start()
    wait_until(lambda: degraded(api) == [])


def test_s3_gone_and_back(api: Service, servers: Servers) -> None:
    with load(api):
        servers.s3.stop()
        wait_until(lambda: degraded(api) == ["object_store_unavailable"])
        assert unavailable(api) == {"object_store"}
        assert api.post("/v1/events", {"event_type": "view", "user_id": "ida", "item_id": "x9"}).status_code == 200
        servers.s3.start()
        wait_until(lambda: degraded(api) == [])


def test_readiness_tells_whether_rabbitmq_is_there(
    servers: Servers, run: RunContext, broker: Broker, tmp_path: Path
) -> None:
    def told(api: Service) -> set[tuple[Any, ...]]:
        """What a dozen answers say, of whichever worker."""
        answers = [api.client.get("/health/ready") for _ in range(12)]
        bodies = [(answer.status_code, answer.json()) for answer in answers]
        return {
            (code, body["status"], body["dependencies"]["event_queue"]["state"], *body["degraded_reasons"])
            for code, body in bodies
        }

    broker.stop()
    event = {"event_type": "view", "user_id": "ida", "item_id": "x9"}
    away, there = {(200, "degraded", "unavailable", "event_queue_unavailable")}, {(200, "ready", "ok")}
    variables = running_service.environment(servers.database, servers.bucket, tmp_path, EVENTS_QUEUE_URL=broker.url)
    with running_service.service(variables, tmp_path) as api:  # it starts all the same
        wait_until(lambda: told(api) == away)
        assert degraded(api) == [], "answers are as good as ever"
        assert api.post("/v1/events", event).status_code == 503
        broker.start()
        wait_until(lambda: told(api) == there)
        assert api.post("/v1/events", event).json()["queued"] == 1
        broker.stop()
        wait_until(lambda: told(api) == away)
        broker.start()
        wait_until(lambda: told(api) == there)


def problems(api: Service) -> dict[str, str]:
    """What is wrong with the snapshot, by table."""
    found: dict[str, str] = api.client.get("/health/ready").json()["dependencies"]["snapshot"]["problems"]
    return found


def test_a_corrupt_snapshot_is_refused_and_the_old_one_kept(api: Service, run: RunContext) -> None:
    before = api.items(HOME, user_id="anna")
    run.store.put("snapshots/shop/corrupt.lmdb", b"\0" * 100_000)
    with postgres.transaction(run.postgres) as cursor:
        cursor.execute(
            "with v as (insert into recs.versions (dataset, table_name, run_id, status, keys, items, object_key,"
            " object_sha256, object_bytes, published_at) values ('shop', 'ranked_recommendations', 'bad', 'ready', 1,"
            " 1, 'snapshots/shop/corrupt.lmdb', %s, 100000, now()) returning version)"
            " update recs.active_versions set version = v.version, generation = nextval('recs.generation')"
            " from v where table_name = 'ranked_recommendations'",
            ("f" * 64,),
        )
    wait_until(lambda: degraded(api) == ["snapshot_refused"])
    assert api.items(HOME, user_id="anna") == before
    wait_until(lambda: "SHA-256" in problems(api).get("ranked_recommendations", ""))
    published_shop.lists(run, RecommendationTable.RANKED, {"anna": [f"{item}-a" for item in published_shop.RANKED]})
    wait_until(lambda: degraded(api) == [])


def test_a_swap_under_load_fails_no_request_and_mixes_no_list(api: Service, run: RunContext) -> None:
    with load(api, limit=30) as answers:
        for mark in ("-b", "-c"):
            published_shop.publish_all(run, mark)
            time.sleep(0.5)
        wait_until(lambda: api.items(HOME, user_id="anna")[0].endswith("-c"))
    marks: dict[tuple[int, str], set[str]] = {}
    for answer in answers:
        for item in answer.json()["items"]:
            if item["reason"] in {"ranked_for_you", "popular"}:
                marks.setdefault((answer.json()["version"], item["source"]), set()).add(item["item_id"][-2:])
    assert all(len(found) == 1 for found in marks.values())
    assert {mark for found in marks.values() for mark in found} >= {"-a", "-c"}


def test_a_killed_worker_is_replaced(api: Service) -> None:
    workers = [c for c in psutil.Process(api.process.pid).children() if "spawn_main" in " ".join(c.cmdline())]
    assert len(workers) == 2
    workers[0].kill()

    def answered() -> bool:
        try:
            return api.get(HOME).status_code == 200
        except httpx.TransportError:
            return False  # the connection was in the dead worker's queue

    wait_until(lambda: all(answered() for _ in range(10)))
    wait_until(lambda: len(psutil.Process(api.process.pid).children()) >= 2)


def test_every_acknowledged_event_is_stored_exactly_once_after_kill_9(
    servers: Servers, run: RunContext, tmp_path: Path
) -> None:
    variables = running_service.environment(servers.database, servers.bucket, tmp_path, SERVICE_WORKERS="1")
    sent: dict[str, list[dict[str, str]]] = {}
    acknowledged: set[str] = set()

    def send(api: Service, stop: threading.Event) -> None:
        while not stop.is_set():
            name = str(uuid.uuid4())
            sent[name] = [
                {"event_id": f"{name}-{n}", "event_type": "view", "user_id": "jo", "item_id": "x1"} for n in range(50)
            ]
            try:
                if api.post("/v1/events", sent[name]).status_code == 200:
                    acknowledged.add(name)
            except httpx.TransportError:
                return

    with running_service.service(variables, tmp_path) as api:
        stop = threading.Event()
        threads = [threading.Thread(target=send, args=(api, stop)) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) >= 20)
        api.kill()
        stop.set()
        for thread in threads:
            thread.join()
    assert len(sent) > len(acknowledged)  # it died in the middle of some
    assert {f"{name}-{n}" for name in acknowledged for n in range(50)} <= stored(run)
    with running_service.service(variables, tmp_path) as api:
        for name in set(sent) - acknowledged:
            assert api.post("/v1/events", sent[name]).status_code == 200
        assert stored(run) == {f"{name}-{n}" for name in sent for n in range(50)}
        assert api.items("/v1/recommendations/online/jo", limit=3) == published_shop.neighbours("x1")[:3]


def test_workers_end_with_their_killed_parent(api: Service) -> None:
    workers = psutil.Process(api.process.pid).children()
    api.process.kill()
    api.process.wait()
    wait_until(lambda: not any(worker.is_running() for worker in workers))


def stored(run: RunContext) -> set[str]:
    with postgres.transaction(run.postgres) as cursor:
        cursor.execute("select event_id from raw.collected_events where user_id = 'jo'")
        rows = [row[0] for row in cursor.fetchall()]
    assert len(rows) == len(set(rows))
    return set(rows)
