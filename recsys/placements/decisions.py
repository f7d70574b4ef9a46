"""What a shop decided: its configuration, its rules, its categories, as last seen in Postgres and kept on disk.

What somebody broke by hand in the database is not taken over: the last good state stays, and `problems` says why.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from recsys.placements.categories import CategoryTree
from recsys.placements.configuration import Configuration
from recsys.placements.rules import Rule
from recsys.publishing.changes import Fetch
from recsys.publishing.leader import HostLeader

Model = TypeVar("Model", bound=BaseModel)

log = logging.getLogger(__name__)

# One look tells whether anything differs, also what was changed by hand.
_MARKS = """
select configuration.version, md5(configuration.body::text) as configuration,
       (select md5(string_agg(rule_id || body::text, '' order by rule_id)) from shop.rules where dataset = $1) as rules,
       (select concat(count(*), ' ', max(updated_at)) from shop.categories where dataset = $1)
       || (select concat(' ', max(load_id)) from raw.loads where dataset = $1 and table_name = 'category_tree') as tree
from (values (1)) as one
left join lateral (
    select version, body from shop.configurations where dataset = $1 order by version desc limit 1
) as configuration on true
"""
_CONFIGURATION = "select body::text from shop.configurations where dataset = $1 and version = $2"
_RULES = "select rule_id, body::text from shop.rules where dataset = $1 order by rule_id"
# Of a category loaded more than once the newest load counts, and what the API was told before any file.
_TREE = """
select category_id, parent_id, title from shop.categories where dataset = $1
union all
select * from (
    select distinct on (category_id) category_id, parent_id, null from raw.category_tree
    where load_id = any(array(select load_id from raw.loads where dataset = $1 and table_name = 'category_tree'))
    order by category_id, load_id desc, parent_id
) as loaded
where not exists (
    select from shop.categories as own where own.dataset = $1 and own.category_id = loaded.category_id
)
"""


class Decisions:
    """One dataset's; one a process, of which the leader's keeps the copy on disk.

    Attributes:
        version: of the configuration; 0 is the built-in one.
        titles: of the tree's categories, those that have one.
        problems: what of the database is not in use (`configuration`, `rules`) and why.
    """

    dataset: str | None
    configuration: Configuration
    version: int
    rules: dict[str, Rule]
    tree: CategoryTree
    titles: dict[str, str]
    problems: dict[str, str]
    _marks: dict[str, Any]

    def __init__(self, path: Path, leader: HostLeader) -> None:
        self._path, self._leader = path, leader
        self._forget(None)
        self._load()

    async def refresh(self, fetch: Fetch, dataset: str | None) -> bool:
        """Bring in what changed; returns whether anything did. Errors of `fetch` leave all as it was."""
        if dataset is None:
            return False
        marks = dict((await fetch(_MARKS, dataset))[0])
        if dataset == self.dataset and marks == self._marks:
            return False
        if dataset != self.dataset:
            self._forget(dataset)
        if marks["version"] is None:
            self._configure(0, "{}")
        elif any(marks[part] != self._marks.get(part) for part in ("version", "configuration")):
            found = await fetch(_CONFIGURATION, dataset, marks["version"])
            self._configure(marks["version"], found[0]["body"] if found else "")
        if marks["rules"] != self._marks.get("rules"):
            self._rule({row["rule_id"]: row["body"] for row in await fetch(_RULES, dataset)})
        if marks["tree"] != self._marks.get("tree"):
            rows = await fetch(_TREE, dataset)
            self.tree = CategoryTree({row["category_id"]: row["parent_id"] for row in rows})
            self.titles = {row["category_id"]: row["title"] for row in rows if row["title"]}
        self._marks = marks
        if self._leader.acquire():
            await asyncio.to_thread(self._save)
        return True

    def _configure(self, version: int, body: str) -> None:
        self.problems.pop("configuration", None)
        parsed = _parsed(Configuration, body)
        if isinstance(parsed, str):
            self._report("configuration", f"version {version} is not usable, {self.version} stays in use: {parsed}")
        else:
            self.configuration, self.version = parsed, version

    def _rule(self, bodies: dict[str, str]) -> None:
        self.problems.pop("rules", None)
        last_good, self.rules = self.rules, {}
        for rule_id, body in bodies.items():
            parsed = _parsed(Rule, body)
            if isinstance(parsed, Rule):
                self.rules[rule_id] = parsed
            else:
                if rule_id in last_good:
                    self.rules[rule_id] = last_good[rule_id]
                self._report("rules", f"{rule_id!r} is not usable, its last good form stays in use: {parsed}")

    def _report(self, what: str, problem: str) -> None:
        self.problems[what] = problem
        log.error("The %s in the database: %s", what, problem)

    def _forget(self, dataset: str | None) -> None:
        self.dataset = dataset
        self._marks = {}
        self.configuration, self.version = Configuration(), 0
        self.rules = {}
        self.tree = CategoryTree({})
        self.titles = {}
        self.problems = {}

    def _save(self) -> None:
        body = {
            "dataset": self.dataset,
            "version": self.version,
            "configuration": self.configuration.model_dump(mode="json"),
            "rules": {rule_id: rule.model_dump(mode="json") for rule_id, rule in self.rules.items()},
            "parents": dict(self.tree.parents),
            "titles": self.titles,
        }
        part = self._path.with_suffix(".part")
        part.write_bytes(orjson.dumps(body))
        part.replace(self._path)

    def _load(self) -> None:
        try:
            body = orjson.loads(self._path.read_bytes())
            self.configuration = Configuration.model_validate(body["configuration"])
            self.rules = {rule_id: Rule.model_validate(rule) for rule_id, rule in body["rules"].items()}
            self.tree, self.titles = CategoryTree(body["parents"]), body.get("titles", {})
            self.dataset, self.version = body["dataset"], body["version"]
        except FileNotFoundError:
            pass
        except (orjson.JSONDecodeError, KeyError, ValidationError) as error:
            log.error(
                "The copy of the shop's decisions in %s is not usable and will be made anew: %s", self._path, error
            )
            self._forget(None)


def _parsed(kind: type[Model], body: str) -> Model | str:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
