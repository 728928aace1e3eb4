"""Stop texts were missed: long ones of many bytes, and those that begin with the text's first space.

The end of a text was decoded as far back as the stop text has characters, but a character may be four tokens. And
it was decoded as if it were the beginning of a text, where some tokenizers leave out the first space.
"""

from pathlib import Path

import pytest

from ramify.engine.ending import text_of
from ramify.model.tokenizer import Tokenizer
from tests.engine.scripts import Bytes, engine_of, scripted
from tests.model import vocabularies
from tests.toys import prompt


def test_many_bytes() -> None:
    stop, codec = "これで終わりにしましょう", Bytes()
    engine = engine_of(codec, scripted(*("前" + stop).encode(), 0))
    branch = engine.prefill(prompt(65, stop=(stop,)))
    engine.advance([branch], 50)
    assert (branch.finish, text_of(branch, codec)) == ("stop", "前")


@pytest.mark.parametrize("stop", [" the", " thell"])
def test_the_first_space(stop: str, tmp_path: Path) -> None:
    codec = Tokenizer.load(vocabularies.save(vocabularies.marked_spaces(), tmp_path))
    words = codec.encode_after(stop)
    engine = engine_of(codec, scripted(*words, 0, 0), size=codec.vocab_size)
    branch = engine.prefill(prompt(*codec.encode_after("a"), stop=(stop,)))
    engine.advance([branch], len(words))
    assert (branch.finish, text_of(branch, codec)) == ("stop", "")
