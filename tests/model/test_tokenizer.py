"""Text to tokens and back: begin and end tokens, special tokens in texts, streams, bytes, comparison."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from ramify.core.errors import BadInput, CheckpointError
from ramify.model.pieces import Pieces
from ramify.model.tokenizer import Tokenizer
from tests.model.vocabularies import byte_level, marked_spaces, save

FAMILIES = {"bytes": byte_level, "spaces": marked_spaces}
TEXTS = st.text(st.sampled_from("the hello.é日本😀\n"), max_size=20)


def of(family):
    return Tokenizer(FAMILIES[family](), {}, None, frozenset())


@pytest.fixture(scope="module", params=FAMILIES)
def tokenizer(request):
    return of(request.param)


def test_there_and_back(tokenizer):
    for text in ("the hell", " the", "é 日本 😀", "a\nb", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_begin_tokens_are_those_of_the_folder(tmp_path):
    named = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    as_stored = Tokenizer.load(save(marked_spaces(), tmp_path / "a", tokenizer_config=named))
    assert as_stored.encode("the")[0] == as_stored.begin_id == 1
    assert as_stored.encode("the", add_begin=False) == as_stored.encode("the")[1:]
    assert as_stored.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    never = Tokenizer.load(save(marked_spaces(), tmp_path / "b", tokenizer_config=named | {"add_bos_token": False}))
    assert never.encode("the") == as_stored.encode("the")[1:]
    always = Tokenizer.load(save(byte_level(), tmp_path / "c", tokenizer_config=named | {"add_bos_token": True}))
    assert always.encode("the")[0] == always.begin_id
    qwen = Tokenizer.load(save(byte_level(), tmp_path / "d", generation_config={"bos_token_id": 7}))
    assert qwen.begin_id == 7
    assert qwen.encode("the") == qwen.encode("the", add_begin=False)


def test_an_end_token_that_would_be_appended_is_left_out(tmp_path):
    backend = marked_spaces()
    plain = backend.encode("the", add_special_tokens=False).ids
    backend.post_processor = type(backend.post_processor)(
        single="<s> $A </s>", pair="$A $B", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert backend.encode("the").ids == [1, *plain, 2]
    assert Tokenizer.load(save(backend, tmp_path)).encode("the") == [1, *plain]


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({}, set()),
        ({"tokenizer_config": {"eos_token": "</s>"}}, {2}),
        ({"config": {"eos_token_id": 5}}, {5}),
        ({"config": {"eos_token_id": 5}, "generation_config": {"eos_token_id": [6, 7]}}, {6, 7}),
        ({"generation_config": {"eos_token_id": 6}, "special_tokens_map": {"eos_token": "</s>"}}, {2, 6}),
    ],
)
def test_end_tokens(tmp_path, files, ends):
    assert Tokenizer.load(save(marked_spaces(), tmp_path, **files)).end_ids == ends


def test_truncation_and_padding_of_the_training_are_undone(tmp_path):
    backend = byte_level()
    backend.enable_truncation(3)
    backend.enable_padding(length=3)
    tokenizer = Tokenizer.load(save(backend, tmp_path))
    assert len(tokenizer.encode("abcdef")) == 6
    assert len(tokenizer.encode("a")) == 1


def test_special_tokens_in_a_text(tokenizer):
    end = tokenizer.tokens.index("</s>")
    assert end in tokenizer.encode("a</s>b")
    plain = tokenizer.encode("a</s>b", parse_special=False)
    assert end not in plain
    assert end in tokenizer.encode("a</s>b")  # the first was not changed by asking
    assert tokenizer.decode(tokenizer.encode("a</s>b"), skip_special=False) != tokenizer.decode(plain)[:1]
    assert tokenizer.decode(tokenizer.encode("ab</s>")) == "ab"


def test_encode_after_puts_no_space_in_front():
    tokenizer = of("spaces")
    assert tokenizer.decode([*tokenizer.encode("the"), *tokenizer.encode_after("hell")]) == "thehell"
    assert of("bytes").encode_after("hell") == of("bytes").encode("hell")


@settings(max_examples=100, deadline=None)
@given(family=st.sampled_from(sorted(FAMILIES)), prompt=TEXTS, text=TEXTS)
def test_a_stream_never_writes_half_a_character(family, prompt, text):
    tokenizer = of(family)
    context, ids = tokenizer.encode("a" + prompt), tokenizer.encode_after(text)
    stream = tokenizer.stream(context)
    pieces = [stream.push(token) for token in ids]
    assert "".join(pieces) == text == tokenizer.continuation(context, ids)
    assert stream.finish() == ""
    assert "�" not in "".join(pieces)


@settings(max_examples=100, deadline=None)
@given(family=st.sampled_from(sorted(FAMILIES)), text=TEXTS)
def test_a_stream_from_nothing_is_decoding(family, text):
    tokenizer = of(family)
    ids = tokenizer.encode(text)
    assert tokenizer.continuation([], ids) == tokenizer.decode(ids) == text


@settings(max_examples=100, deadline=None)
@given(family=st.sampled_from(sorted(FAMILIES)), text=TEXTS, cut=st.integers(0, 20))
def test_a_stream_ends_with_what_was_open(family, text, cut):
    tokenizer = of(family)
    ids = tokenizer.encode_after(text)
    stream = tokenizer.stream(tokenizer.encode("a"))
    whole = "".join([stream.push(token) for token in ids[:cut]])
    assert text.startswith(whole)
    assert stream.finish() in ("", "\ufffd")
    resumed = tokenizer.stream([*tokenizer.encode("a"), *ids[:cut]])
    assert whole + "".join([resumed.push(token) for token in ids[cut:]]) == text


def test_a_character_begun_in_the_prompt_is_written_whole():
    for family in FAMILIES:
        tokenizer = of(family)
        ids = tokenizer.encode("日本")
        stream = tokenizer.stream(ids[:-2])
        assert stream.push(ids[-2]) + stream.push(ids[-1]) == "本"


def test_a_special_token_does_not_eat_the_next_space():
    tokenizer = of("spaces")
    ids = [*tokenizer.encode("the"), 2, *tokenizer.encode("the")]
    stream = tokenizer.stream()
    assert [piece for piece in map(stream.push, ids) if piece] == ["the", " the"]


@settings(max_examples=100, deadline=None)
@given(family=st.sampled_from(sorted(FAMILIES)), text=TEXTS)
def test_bytes_of_tokens_join_to_the_text(family, text):
    tokenizer = of(family)
    written = b"".join(tokenizer.token_bytes(token) for token in tokenizer.encode_after(text))
    assert written == text.encode()


def test_marks_and_unknown_ids_write_nothing(tokenizer):
    assert tokenizer.token_bytes(tokenizer.tokens.index("</s>")) is None
    assert tokenizer.token_bytes(-1) is tokenizer.token_bytes(tokenizer.vocab_size) is None
    assert of("bytes").token_bytes(of("bytes").tokens.index("<think>")) == b"<think>"
    plain = Pieces(("Ġa", "日 本"), frozenset(), decoders.ByteLevel())
    assert (plain.bytes_of(0), plain.bytes_of(1)) == (b" a", "日 本".encode())


def test_bytes_of_other_vocabularies_are_refused():
    backend = Backend(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(CheckpointError, match=r"bytes of single tokens are not known for its decoder \(none\)"):
        Tokenizer(backend, {}, None, frozenset())


def test_tokenizers_compare_by_what_their_ids_mean():
    ours, other, longer = of("bytes"), of("spaces"), byte_level()
    longer.add_special_tokens(["<pad>"])
    padded = Tokenizer(longer, {}, 1, frozenset({2}))
    assert ours.fingerprint == of("bytes").fingerprint != padded.fingerprint
    assert ours.disagreement(padded) is None
    assert padded.disagreement(ours) == f"{padded.vocab_size} tokens here, {ours.vocab_size} there"
    assert "tokens differ, first 0: '!' here, '<unk>' there" in ours.disagreement(other)


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(BadInput, match="text: not a Unicode text"):
        tokenizer.encode("\ud83d")


def test_a_broken_folder_is_one_clear_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"tokenizer.json: no such file$"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no such file; tokenizer.model is not read, AutoTokenizer"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a tokenizer that the installed `tokenizers` reads"):
        Tokenizer.load(tmp_path)
    save(byte_level(), tmp_path, generation_config={"eos_token_id": "</s>"})
    with pytest.raises(CheckpointError, match=r"generation_config.json: eos_token_id: '</s>' is neither a token id"):
        Tokenizer.load(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"generation_config.json: not valid JSON"):
        Tokenizer.load(tmp_path)
