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
    """Answers every search that waits for scores.

    Each model reads about a round's rows and no more, so that whoever draws is not held up. A search that lacks some of
    its scores then waits for further rounds, and its family with it: nothing happens in a family in between.
    """

    def __init__(self, engine: Engine, memory: Memory, guard: Guard) -> None:
        self.engine, self.memory, self._guard = engine, memory, guard
        self._floor: dict[Model, Session] = {}  # who reads on a budget: nobody takes its pages until it has read all

    def score(self, sessions: Sequence[Session], rows: int) -> None:
        """Read about `rows` rows with each model, for all of them together; then answer the families that lack none."""
        busy = {s.root for s in sessions if s.paying is not None}
        for session in [s for s in sessions if s.root not in busy]:
            self._guard(session, lambda s=session: self._admit(s))  # type: ignore[misc]
        models = self.engine.others.values()
        for model in models:
            readers = [s for s in sessions if self._reads(s, model)]
            self._read([s for s in readers if s.budget.reward_tokens is None], model, rows)
            self._pay([s for s in readers if s.budget.reward_tokens is not None], model, rows)
        late = {s.root for s in sessions if any(self._reads(s, model) for model in models)}
        for session in sessions:
            if session.paying is not None and session.root not in late:
                act = self._answer if session.paying else self._refuse
                session.paying, session.apart = None, False
                self._guard(session, lambda s=session, act=act: act(s))  # type: ignore[misc]

    def _admit(self, session: Session) -> None:
        if session.reward is None:
            raise BadInput("reward", "this method asks for scores; name a reward (ramify models lists them)")
        models, most = self.engine.models_of(session.reward), session.budget.reward_tokens
        for model in models:
            model.require_context(_wanted(session))
        price = 0 if most is None else _price(session, models)
        session.paying = most is None or session.root.paid + price <= most
        if session.paying:
            session.root.paid += price
            for model in models:
                for branch in _wanted(session):
                    model.open(branch)

    def _reads(self, session: Session, model: Model) -> bool:
        """Whether a model still has to read for a search that pays for it."""
        if session.over or not session.paying or session.reward is None:
            return False
        return model in self.engine.models_of(session.reward) and bool(model.behind(_wanted(session)))

    def _pay(self, sessions: Sequence[Session], model: Model, rows: int) -> None:
        """Read for those that pay by the token, one after the other."""
        for session in sorted(sessions, key=lambda s: s is not self._floor.get(model)):
            before = _rows_read(session, model)
            self._guard(session, lambda s=session, n=rows: self._read_within(s, model, n))  # type: ignore[misc]
            rows -= _rows_read(session, model) - before
            if self._reads(session, model):
                self._floor[model] = session
                return
            self._floor.pop(model, None)
            if rows <= 0:
                return

    def _read_within(self, session: Session, model: Model, rows: int) -> None:
        """Read step by step, as long as there are rows and the budget pays for the next step; else it is refused."""
        while rows > 0 and session.paying and (branches := model.behind(_wanted(session))):
            some = branches[:1] if session.apart else _wanted(session)
            agenda = model.agenda(some, rows)
            count = sum(count for _, count in agenda.reading)
            session.paying = session.ledger.reward_tokens + count <= (session.budget.reward_tokens or 0)
            try:
                if session.paying:
                    self.memory.with_room(lambda agenda=agenda: model.carry_out(agenda), some, model)  # type: ignore[misc]
            except OutOfPages:
                if len(some) == 1:
                    raise
                session.apart = True
                for branch in some:
                    model.release(branch)
            if session.apart and (not session.paying or not model.behind(some)):
                model.release(some[0])  # its values stay
            rows -= count

    def _read(self, sessions: Sequence[Session], model: Model, rows: int) -> None:
        """Let a reward's model read; what does not fit together is read one after another."""
        if not sessions:
            return None
        floor = self._floor.get(model)
        kept = _wanted(floor) if floor is not None and self._reads(floor, model) else ()
        if not any(s.apart for s in sessions):
            branches = [b for s in sessions for b in _wanted(s)]
            behind = model.behind(branches)
            for keep in (branches, behind):  # those that were read keep their pages, if that is possible
                try:
                    return self.memory.with_room(lambda: model.catch_up(behind, rows), [*keep, *kept], model)
                except OutOfPages:
                    pass
            for branch in behind:
                model.release(branch)
        for session in sessions:
            session.apart, before = True, _rows_read(session, model)
            self._guard(session, lambda s=session, n=rows: self._read_apart(s, model, n, kept))  # type: ignore[misc]
            rows -= _rows_read(session, model) - before
            if rows <= 0:
                break
        return None

    def _read_apart(self, session: Session, model: Model, rows: int, kept: Sequence[Branch]) -> None:
        """Read branch by branch, each to its end, until the rows are used up."""
        start = _rows_read(session, model)
        for branch in model.behind(_wanted(session)):
            if _rows_read(session, model) - start >= rows:
                return
            try:
                self.memory.with_room(lambda b=branch: self.engine.read([b], model), [branch, *kept], model)  # type: ignore[misc]
            except OutOfPages:
                if not kept:
                    raise
                return
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


def _rows_read(session: Session, model: Model) -> int:
    account = session.ledger.models.get(model.role)
    return 0 if account is None else account.tokens


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
