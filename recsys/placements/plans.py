"""Each placement's plan: its configuration and the rules in force, in the form that requests use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from recsys.placements.configuration import PlacementConfiguration
from recsys.placements.decisions import Decisions
from recsys.placements.rules import Rule
from recsys.placements.ruleset import EXCLUDED, Effects, RuleSet
from recsys.publishing.item_facts import ItemFacts
from recsys.schema import Placement, Source

# Items kept for placements where rules include only some: what is popular need not be among those.
MOST_ALLOWED = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """How one placement answers.

    Attributes:
        effects: those of `rules`; None without any rule.
        allowed: items that rules include, when they include only some.
        begins_with_ranked: and neither mixes nor explores: a whole ranked list then is the answer.
    """

    placement: str
    configuration: PlacementConfiguration
    rules: RuleSet
    effects: Effects | None = None
    allowed: tuple[str, ...] = ()
    begins_with_ranked: bool = False


def _begins_with_ranked(placement: Placement, configuration: PlacementConfiguration) -> bool:
    first, *others = [step for step in configuration.cascade if step.enabled]
    return (
        placement is not Placement.CATEGORY
        and (first.source, first.size) == (Source.RANKED, None)
        and not any(step.weight for step in others if step.source is not Source.ONLINE)
        and not (configuration.exploration or configuration.diversity or configuration.category_cap)
    )


class Plans(dict[str, Plan]):
    """Plan by placement, kept in line with decisions, time windows and the facts of items."""

    def __init__(self, decisions: Decisions, facts: ItemFacts) -> None:
        super().__init__()
        self._decisions, self._facts = decisions, facts
        self._in_force: dict[tuple[str, ...], tuple[RuleSet, tuple[str, ...]]] = {}
        self.renew()

    def renew(self, now: datetime | None = None) -> None:
        """Take over what was decided; call it when decisions changed."""
        self._in_force.clear()
        self.keep_time(now)

    def keep_time(self, now: datetime | None = None) -> None:
        """Let rules begin and end; call it at every tick."""
        at = now or datetime.now(UTC)
        used: dict[tuple[str, ...], tuple[RuleSet, tuple[str, ...]]] = {}
        for placement in Placement:
            ids = tuple(rule_id for rule_id, rule in self._decisions.rules.items() if rule.holds_at(placement, at))
            rules, allowed = used[ids] = self._in_force.get(ids) or used.get(ids) or self._made(ids)
            plan = self._plan(placement, rules, allowed)
            if self.get(placement) != plan:
                self[str(placement)] = plan
        self._in_force = used

    def forget(self, item_ids: Iterable[str] | None) -> None:
        """The facts of these items changed; None: of any."""
        if item_ids is None:
            self.renew()
            return
        known = set(item_ids)
        for ids, (rules, allowed) in list(self._in_force.items()):
            if known & rules.candidates:
                del self._in_force[ids]
                continue
            rules.forget(known)
            if rules.narrows:
                more = [item for item in known if item not in allowed and rules.effects[item] != EXCLUDED]
                self._in_force[ids] = rules, (*allowed, *more)[:MOST_ALLOWED]
        self.keep_time()

    def trial(self, placement: Placement, rules: Mapping[str, Rule], now: datetime) -> Plan:
        """The plan that a placement would have with these rules."""
        held = RuleSet(
            (rule for rule in rules.values() if rule.holds_at(placement, now)), self._facts.get, self._decisions.tree
        )
        return self._plan(placement, held, self._allowed(held))

    def _plan(self, placement: Placement, rules: RuleSet, allowed: tuple[str, ...]) -> Plan:
        configuration = self._decisions.configuration.of(placement)
        return Plan(
            str(placement),
            configuration,
            rules,
            rules.effects if rules else None,
            allowed,
            _begins_with_ranked(placement, configuration),
        )

    def _made(self, ids: tuple[str, ...]) -> tuple[RuleSet, tuple[str, ...]]:
        rules = RuleSet((self._decisions.rules[each] for each in ids), self._facts.get, self._decisions.tree)
        return rules, self._allowed(rules)

    def _allowed(self, rules: RuleSet) -> tuple[str, ...]:
        if not rules.narrows:
            return ()
        return tuple(islice((item for item, facts in self._facts.all() if rules.lets_in(item, facts)), MOST_ALLOWED))
