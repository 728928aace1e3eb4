"""Answers to what a search wants, where no step of the driver is needed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Extract
from ramify.core.random import address_at
from ramify.core.types import Branch, Prompt
from ramify.core.wants import (
    Answers,
    Append,
    Ask,
    Drop,
    Extend,
    Fork,
    Likeliest,
    PromptText,
    Rephrase,
    Superpose,
    Texts,
    Toss,
    Truncate,
    Want,
)
from ramify.engine.ending import text_of
from ramify.engine.engine import Engine
from ramify.engine.memory import Memory
from ramify.engine.session import Session
from ramify.engine.superposing import superpose


class Replies:
    """The verbs as searches use them: only on branches of their own, on their own ledger."""

    def __init__(self, engine: Engine, memory: Memory, extract: Extract) -> None:
        self.engine, self.memory, self.extract = engine, memory, extract

    def reply(self, session: Session, want: Want | None) -> Any:
        """What a want is answered with.

        Raises:
            BadInput: it is no want, or names a branch that is not the search's.
        """
        codec = self.engine.target.codec
        match want:
            case Fork(source, n, temperature):
                return self._fork(session, source, n, temperature)
            case Truncate(branch, length):
                session.own([branch])
                return self.engine.truncate(branch, length)
            case Drop(branches):
                return self._drop(session, list(branches))
            case Answers(branches):
                return {b: self.extract(text_of(b, codec)) for b in branches}
            case Texts(branches):
                return {b: text_of(b, codec) for b in branches}
            case Likeliest(branches, k):
                session.own(branches)
                target = self.engine.target
                return self.memory.in_parts(lambda some: self.engine.likeliest(some, k), branches, target)
            case Extend() as chosen:
                return self._extend(session, chosen)
            case Superpose(branches, weights):
                session.own(branches)
                return superpose(self.engine.target, branches, weights)
            case Append(branch, text):
                session.own([branch])
                return self.engine.append(branch, text)
            case PromptText(prompt):
                return codec.decode(prompt.tokens) if prompt.text is None else prompt.text
            case Rephrase(prompt, texts):
                return [self._rephrased(prompt, text, i) for i, text in enumerate(texts)]
            case Toss(source, key, cuts):
                return self.engine.toss(source.address, key, cuts)
            case Ask() as question:
                return self._ask(session, question)
            case other:
                raise BadInput("search", f"it yielded {other!r}, which is no want")

    def _fork(self, session: Session, source: Prompt | Branch, n: int, temperature: float | None) -> list[Branch]:
        if isinstance(source, Branch):
            session.own([source])
            children = self.engine.fork(source, n, temperature)
        else:
            root = self._root(session, source)
            try:
                root.forks = session.fork_count(source)
                children = self.engine.fork(root, n, temperature)
                session.note_forked(source, root.forks)
            finally:
                self.engine.drop([root])
        for child in children:
            session.adopt(child)
        return children

    def _root(self, session: Session, prompt: Prompt) -> Branch:
        """A branch at the prompt's end, read at once only if somebody wants the prompt's log-probabilities."""
        if prompt.sampling.prompt_logprobs is None:
            root = self.engine.open(prompt, session.ledger)
        else:
            root = self.memory.with_room(lambda: self.engine.prefill(prompt, session.ledger), (), self.engine.target)
        known = (root.salt, tuple(root.tokens))
        if known in session.root.prompts:  # billed, and perhaps read by a branch that still stands there
            session.ledger.prompt_tokens -= root.num_prompt
            self._stand_beside(session.root, root)
        session.root.prompts.add(known)
        return root

    def _stand_beside(self, session: Session, root: Branch) -> None:
        for model in self.engine.models:
            for branch in session.branches.values():
                if branch.salt == root.salt and branch.tokens[: branch.num_prompt] == root.tokens:
                    model.stand_beside(branch, root)
                    if model.holds(root):
                        break

    def _drop(self, session: Session, branches: Sequence[Branch]) -> None:
        self.memory.note_peak(session.root)
        own = [b for b in branches if b.alive]
        session.own(own)
        for branch in own:
            session.note_end(branch, dropped=True)
            session.disown(branch)
        self.engine.drop(own)
        self.memory.came_back()

    def _extend(self, session: Session, want: Extend) -> int:
        session.own(want.branches)
        if not session.root.affords_tokens(len(want.branches)):
            for branch in want.branches:
                branch.finish = branch.finish or "budget"
            return 0
        self.memory.with_room(lambda: self.engine.extend(want.branches, want.tokens), want.branches, self.engine.target)
        return len(want.branches)

    def _rephrased(self, prompt: Prompt, text: str, index: int) -> Prompt:
        tokens = tuple(self.engine.target.codec.encode(text))
        request = address_at(address_at(prompt.address, len(tokens)), index)
        for token in tokens:  # of the text, too: other texts of another want are drawn from independently
            request = address_at(request, token)
        return replace(prompt, tokens=tokens, text=text, request=request)

    def _ask(self, session: Session, want: Ask) -> list[list[float]]:
        session.own([source for source in want.sources if isinstance(source, Branch)])
        opened = list[Branch]()
        try:
            sources = list[Branch]()
            for source in want.sources:
                if isinstance(source, Prompt):
                    asked = replace(source, sampling=replace(source.sampling, prompt_logprobs=None))
                    opened.append(self._root(session, asked))
                sources.append(opened[-1] if isinstance(source, Prompt) else source)
            model = self.engine.guidance.model(want.by)

            def seen(aside: Sequence[Branch]) -> None:
                self.memory.note_peak(session.root, [*opened, *aside])

            return self.memory.in_parts(
                lambda some: self.engine.ask(some, want.question, want.choices, want.by, seen), sources, model
            )
        finally:
            self.engine.drop(opened)
