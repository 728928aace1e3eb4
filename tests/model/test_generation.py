"""generation_config.json: what it says becomes sampling parameters, nothing else does."""

import json

import pytest

from ramify.core.errors import CheckpointError
from ramify.core.sampling import Sampling
from ramify.model.generation import GenerationDefaults


def read(tmp_path, config):
    (tmp_path / "generation_config.json").write_text(json.dumps(config))
    return GenerationDefaults.load(tmp_path)


def test_no_file_recommends_nothing(tmp_path):
    defaults = GenerationDefaults.load(tmp_path)
    assert defaults == GenerationDefaults()
    assert defaults.sampling_options() == {}


def test_qwen(tmp_path):
    defaults = read(
        tmp_path,
        {
            "bos_token_id": 151643,
            "pad_token_id": 151643,
            "do_sample": True,
            "eos_token_id": [151645, 151643],
            "repetition_penalty": 1.05,
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "transformers_version": "4.37.0",
        },
    )
    assert defaults.eos_token_ids == (151645, 151643)
    assert defaults.unmet == {}
    wish = Sampling(**defaults.sampling_options())
    assert wish == Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05)


def test_greedy_lengths_and_stops(tmp_path):
    defaults = read(
        tmp_path, {"do_sample": False, "temperature": 1, "max_new_tokens": 9, "max_length": 20, "stop_strings": "\n"}
    )
    assert defaults.sampling_options() == {"temperature": 0.0, "max_tokens": 9, "stop": ("\n",)}
    assert defaults.max_length == 20
    assert read(tmp_path, {"eos_token_id": 2}).eos_token_ids == (2,)


def test_what_is_not_followed_is_said(tmp_path):
    defaults = read(tmp_path, {"num_beams": 4, "typical_p": 1.0, "no_repeat_ngram_size": 0, "suppress_tokens": [3]})
    assert defaults.unmet == {"num_beams": 4, "suppress_tokens": [3]}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"temperature": "hot"}, "temperature is 'hot', float is expected"),
        ({"top_k": 1.5}, "top_k is 1.5, int is expected"),
        ({"top_k": True}, "top_k is True, int is expected"),
        ({"do_sample": 1}, "do_sample is 1, bool is expected"),
        ({"top_p": 1.5}, "generation_config.json: top_p"),
        ({"eos_token_id": [1, None]}, "neither a token id nor a list of them"),
        ([], "a JSON object is expected"),
    ],
)
def test_refused(tmp_path, config, message):
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path, config)
