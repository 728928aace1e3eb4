"""Scores for searches: who can pay for them, the reading that they take, and the answers.

What a search pays for is what its own branches lack and prompts once, whoever has read some of it before: so the end of
a budget does not depend on who runs beside it. What is really read (less, where others or siblings read the same; more,
where memory was short) is held to the budget as well.
"""

from collections.abc import Callable, Sequence

from ramify.core.errors import BadInput, OutOfPages
from ramify.core.types import Branch
from ramify.core.wants import Score
from ramify.engine.engine import Engine
from ramify.engine.memory import Memory
from ramify.engine.model import Model
from ramify.engine.session import Session

Guard = Callable[[Session, Callable[[], None]], None]  # an error of one search is that search's own


class Scoring:
    """Answers every search that waits for scores."""

    def __init__(self, engine: Engine, memory: Memory, guard: Guard) -> None:
        self.engine, self.memory, self._guard = engine, memory, guard

    def score(self, sessions: Sequence[Session]) -> None:
        """Read for all of them together, one model after another; then answer each."""
        paying = list[Session]()
        for session in sessions:
            self._guard(session, lambda s=session: self._admit(s, paying))  # type: ignore[misc]
        for model in self.engine.others.values():
            readers = [s for s in paying if s.reward is not None and model in self.engine.models_of(s.reward)]
            self._read([s for s in readers if s.budget.reward_tokens is None], model)
            for session in readers:
                if session.budget.reward_tokens is not None and session in paying:
                    self._guard(session, lambda s=session, m=model: self._pay(s, m, paying))  # type: ignore[misc]
        for session in sessions:
            act = self._answer if session in paying else self._refuse
            self._guard(session, lambda s=session, act=act: act(s))  # type: ignore[misc]

    def _admit(self, session: Session, paying: list[Session]) -> None:
        if session.reward is None:
            raise BadInput("reward", "this method asks for scores; name a reward (ramify models lists them)")
        models, most = self.engine.models_of(session.reward), session.budget.reward_tokens
        for model in models:
            model.require_context(_wanted(session))
        if most is not None:
            price = _price(session, models)
            if session.root.paid + price > most:
                return
            session.root.paid += price
        paying.append(session)

    def _pay(self, session: Session, model: Model, paying: list[Session]) -> None:
        if not self._read_within(session, _wanted(session), model):
            paying.remove(session)

    def _read_within(self, session: Session, branches: Sequence[Branch], model: Model) -> bool:
        """Read step by step, as long as the budget pays for the next one; whether it paid for all."""
        try:
            for branch in branches:
                model.open(branch)
            while model.behind(branches):
                agenda = model.agenda(branches, self.engine.row_budget)
                rows = sum(count for _, count in agenda.reading)
                if session.ledger.reward_tokens + rows > (session.budget.reward_tokens or 0):
                    return False
                self.memory.with_room(lambda agenda=agenda: model.carry_out(agenda), branches, model)  # type: ignore[misc]
            return True
        except OutOfPages:
            if len(branches) == 1:
                raise
        for branch in branches:
            model.release(branch)
        return all(self._read_and_release(session, branch, model) for branch in branches)

    def _read_and_release(self, session: Session, branch: Branch, model: Model) -> bool:
        try:
            return self._read_within(session, [branch], model)
        finally:
            model.release(branch)  # its values stay

    def _read(self, sessions: Sequence[Session], model: Model) -> None:
        """Let a reward's model read; what does not fit together is read one after another."""
        branches = [b for s in sessions for b in _wanted(s)]
        try:
            self.memory.with_room(lambda: self.engine.read(branches, model), branches, model)
        except OutOfPages:
            for branch in branches:
                model.release(branch)
            for session in sessions:
                self._guard(session, lambda s=session: self._read_one_by_one(s, model))  # type: ignore[misc]

    def _read_one_by_one(self, session: Session, model: Model) -> None:
        for branch in _wanted(session):
            try:
                self.engine.read([branch], model)
            finally:
                model.release(branch)  # its values stay

    def _answer(self, session: Session) -> None:
        assert session.reward is not None
        branches, reward = list(_wanted(session)), session.reward
        values = self.memory.in_parts(lambda some: self.engine.score(some, reward), branches, self.engine.target)
        scores = dict(zip(branches, values, strict=True))
        session.note_scores(scores)
        self.memory.note_peak(session.root)
        session.send(scores)

    def _refuse(self, session: Session) -> None:
        session.send(session.last_scores(_wanted(session)))


def _wanted(session: Session) -> Sequence[Branch]:
    assert isinstance(session.want, Score)
    return session.want.branches


def _price(session: Session, models: Sequence[Model]) -> int:
    """Tokens that the models have to read at most, as far as the search itself is the cause: what has no value yet, and
    a prompt once (later on, the last page of it, which no prefix tree holds)."""
    tokens, root = 0, session.root
    for model in models:
        fresh = set[tuple[int, ...]]()
        for branch in dict.fromkeys(_wanted(session)):
            known = len(model.readings[branch.id].values) if branch.id in model.readings else 0
            lacking = branch.num_generated - known
            if lacking > 0:
                tokens += lacking + (known > 0 and model.scores == "logprob")
                fresh |= set() if known else {tuple(branch.tokens[: branch.num_prompt])}
        for prompt in fresh:
            again = (model.role, prompt) in root.judged
            tokens += min(len(prompt), model.runner.page_size + 1) if again else len(prompt)
            root.judged.add((model.role, prompt))
    return tokens
