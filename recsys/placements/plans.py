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

# Plans for contexts that are kept; each has a memory of its own for what rules do to items.
MOST_CONTEXTS = 64
# Items kept for placements where rules include only some: what is popular need not be among those.
MOST_ALLOWED = 1000

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one placement answers.

    Attributes:
        effects: those of `rules`; None without any rule.
        allowed: items that rules include, when they include only some.
        in_some_context: rules in force for requests with a context that they ask for; not among `rules`.
        begins_with_ranked: and neither mixes nor explores: a whole ranked list then is the answer.
    """

    placement: str
    configuration: PlacementConfiguration
    rules: RuleSet
    effects: Effects | None = None
    allowed: tuple[str, ...] = ()
    in_some_context: tuple[str, ...] = ()
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
        self._in_force: dict[Ids, tuple[RuleSet, tuple[str, ...]]] = {}
        self._in_context: dict[tuple[str, Ids], Plan] = {}
        self.renew()

    def renew(self, now: datetime | None = None) -> None:
        """Take over what was decided; call it when decisions changed."""
        self._in_force.clear()
        self._in_context.clear()
        self.keep_time(now)

    def in_context(self, placement: str, context: Mapping[str, str]) -> Plan:
        """A placement's plan with the rules for this context."""
        plan, known = self[placement], self._decisions.rules
        more = tuple(each for each in plan.in_some_context if each in known and known[each].fits(context))
        if not more:
            return plan
        if (placement, more) not in self._in_context:
            if len(self._in_context) >= MOST_CONTEXTS:
                self._in_context.clear()
            rules = RuleSet((*plan.rules.rules, *(known[each] for each in more)), self._facts.get, self._decisions.tree)
            self._in_context[placement, more] = self._plan(Placement(placement), rules, self._allowed(rules))
        return self._in_context[placement, more]

    def keep_time(self, now: datetime | None = None) -> None:
        """Let rules begin and end; call it at every tick."""
        at = now or datetime.now(UTC)
        used: dict[Ids, tuple[RuleSet, tuple[str, ...]]] = {}
        for placement in Placement:
            held = {rule_id: rule for rule_id, rule in self._decisions.rules.items() if rule.holds_at(placement, at)}
            ids = tuple(rule_id for rule_id, rule in held.items() if not rule.context)
            rules, allowed = used[ids] = self._in_force.get(ids) or used.get(ids) or self._made(ids)
            plan = self._plan(placement, rules, allowed, tuple(rule_id for rule_id in held if rule_id not in ids))
            if self.get(placement) != plan:
                self[str(placement)] = plan
                self._in_context.clear()
        self._in_force = used

    def forget(self, item_ids: Iterable[str] | None) -> None:
        """The facts of these items changed; None: of any."""
        if item_ids is None:
            self.renew()
            return
        self._in_context.clear()
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

    def trial(self, placement: Placement, rules: Mapping[str, Rule], context: Mapping[str, str], now: datetime) -> Plan:
        """The plan that a placement would have with these rules."""
        in_force = (rule for rule in rules.values() if rule.holds_at(placement, now) and rule.fits(context))
        held = RuleSet(in_force, self._facts.get, self._decisions.tree)
        return self._plan(placement, held, self._allowed(held))

    def _plan(self, placement: Placement, rules: RuleSet, allowed: tuple[str, ...], in_some_context: Ids = ()) -> Plan:
        configuration = self._decisions.configuration.of(placement)
        return Plan(
            str(placement),
            configuration,
            rules,
            rules.effects if rules else None,
            allowed,
            in_some_context,
            _begins_with_ranked(placement, configuration),
        )

    def _made(self, ids: Ids) -> tuple[RuleSet, tuple[str, ...]]:
        rules = RuleSet((self._decisions.rules[each] for each in ids), self._facts.get, self._decisions.tree)
        return rules, self._allowed(rules)

    def _allowed(self, rules: RuleSet) -> tuple[str, ...]:
        if not rules.narrows:
            return ()
        return tuple(islice((item for item, facts in self._facts.all() if rules.lets_in(item, facts)), MOST_ALLOWED))
