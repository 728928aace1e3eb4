"""A server that speaks the wire format and draws nothing: what it streams is made up, by words in the prompt.

script     the text is markup that would run if it were read as markup
crowd      3000 branches          rewind   a branch is cut back twice
forever    a stream without end   draft    tokens that a draft had proposed
full       429                    broken   an error in the middle of a stream
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

from ramify.server.playground_files import HEADERS, INDEX, page_files

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b>"
STEPS = ("\n12 + 9 = 21", "\n21 * 4 = 84", "\n84 - 30 = 54", "\n#### 54")
WRONG = ("\n12 + 9 = 21", "\n9 * 4 = 36", "\n36 + 12 = 48", "\n#### 18")
LEDGER = {
    "prompt_tokens": 14, "reward_tokens": 96, "draft_tokens": 0, "recomputed_tokens": 0, "flops": 7.0e8, "seconds": 1.5,
    "peak_kv_bytes": 491_520, "kv_sharing": 0.33, "block_efficiency": 1.0, "drafted": 0, "accepted": 0,
    "models": {
        "target": {"kind": "writer", "tokens": 106, "passes": 31, "recomputed": 0, "flops": 2.8e8},
        "builtin-prm": {"kind": "reward", "tokens": 96, "passes": 4, "recomputed": 0, "flops": 4.2e8},
    },
}  # fmt: skip
N = {"name": "n", "default": 16, "type": "int"}
METHODS: list[dict[str, Any]] = [
    {"name": "sample", "summary": "n independent texts, the first is the answer", "size": "n", "uses_reward": False,
     "options": [N | {"default": 1}], "law": "the model's own law", "paper": "", "needs": "nothing"},
    {"name": "best-of-n", "summary": "draw n texts, keep the one of highest reward", "size": "n", "uses_reward": True,
     "options": [N, {"name": "select", "default": None, "type": "json"}], "law": "the reward's maximiser",
     "paper": "arXiv:2009.01325", "needs": "a reward"},
    {"name": "beam", "summary": "keep the best steps", "size": "n", "uses_reward": True, "law": "a search", "paper": "",
     "options": [N, {"name": "width", "default": 4, "type": "int"}, {"name": "step", "default": "\n", "type": "str"}],
     "needs": "a process reward"},
    {"name": "speculative-rejection", "summary": "best-of-n that rejects hopeless candidates early", "size": "n",
     "uses_reward": True, "options": [N | {"default": 64}, {"name": "alpha", "default": 0.5, "type": "float"}],
     "law": "a search", "paper": "arXiv:2410.20290", "needs": "a reward"},
]  # fmt: skip
MODEL = {"object": "model", "created": 0, "owned_by": "ramify", "max_model_len": 512, "draft": "builtin-draft"}


WORDS: list[str] = []  # the text of each token


def tokens_of(text: str, count: int) -> list[int]:
    """So many tokens, of unlike lengths, that are this text."""
    ends = [round(len(text) * ((place + 1) / count) ** 2) for place in range(count)]
    words = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    WORDS.extend(word for word in dict.fromkeys(words) if word not in WORDS)
    return [WORDS.index(word) for word in words]


class Run:
    """The events of a made-up search, told as a server tells them."""

    def __init__(self, n: int) -> None:
        self.n, self.length, self.text = n, dict[int, int](), dict[int, str]()
        self.candidates: list[dict[str, Any]] = []
        self.drafted = 0

    def told(self, kind: str, branch: int, **fields: Any) -> dict[str, Any]:
        """One event."""
        blank = {"parent": None, "tokens": [], "drafted": [], "text": "", "score": None, "reason": None}
        return {"kind": kind, "branch": branch, "at": self.length.get(branch, 0)} | blank | fields

    def fork(self, branch: int, parent: int | None = None) -> dict[str, Any]:
        """A branch is born at its parent's end."""
        known = parent is not None
        self.length[branch] = self.length[parent] if known else 0
        self.text[branch] = self.text[parent] if known else ""
        return self.told("fork", branch, parent=parent, text=self.text[branch])

    def advance(self, branch: int, text: str, tokens: int, right: int = 0) -> dict[str, Any]:
        """It grows; the first `right` of its tokens had been proposed."""
        self.length[branch] += tokens
        self.text[branch] += text
        drafted = [place < right for place in range(tokens)]
        return self.told("advance", branch, tokens=tokens_of(text, tokens), drafted=drafted, text=text)

    def rewind(self, branch: int, tokens: int, text: str) -> dict[str, Any]:
        """It is cut back."""
        self.length[branch], self.text[branch] = tokens, text
        return self.told("rewind", branch, text=text)

    def close(self, branch: int, reason: str, score: float | None) -> Iterator[dict[str, Any]]:
        """Its end, and what is kept of it."""
        yield self.told("end" if reason == "stop" else "drop", branch, reason=reason)
        kept = {"text": self.text[branch], "score": score, "tokens": self.length[branch], "weight": None}
        if reason == "stop":
            about = {"index": len(self.candidates), "stopped_because": reason, "answer": kept["text"].split()[-1]}
            self.candidates.append(kept | about | {"branch": branch})

    def result(self, method: str) -> dict[str, Any]:
        """The answer's `search`."""
        best = max(range(len(self.candidates)), key=lambda i: self.candidates[i]["score"] or 0.0)
        chosen = self.candidates[best]["branch"]
        tree = [
            {"id": 100 + branch, "parent": None, "forked_at": 0, "length": self.length[branch], "text": text}
            | {"score": 1.0, "ended": "stop", "best": branch == chosen}
            for branch, text in self.text.items()
        ]
        drawn = sum(candidate["tokens"] for candidate in self.candidates)
        ledger = LEDGER | {"generated_tokens": drawn, "forks": len(self.text)}
        ledger |= {"drafted": 4 * self.drafted, "accepted": 3 * self.drafted} if self.drafted else {}
        return {"method": method, "seed": 7, "best": best, "rounds": [], "log_evidence": None, "tree": tree} | {
            "candidates": [{k: v for k, v in c.items() if k != "branch"} for c in self.candidates],
            "ledger": ledger,
        }


def search(prompt: str, n: int, run: Run) -> Iterator[dict[str, Any]]:
    """What happens, by words in the prompt."""
    random, crowd = Random(1), 3000 if "crowd" in prompt else n
    steps = [MARKUP] if "script" in prompt else STEPS
    for branch in range(crowd):
        yield run.fork(branch)
    while "forever" in prompt:
        yield run.advance(0, " and", 1)
    for branch in range(crowd):
        score = round(random.uniform(-4, 4), 3) + (9 if branch == 1 else 0)
        good = branch % 3 != 2 or crowd < 3
        for step in steps if good else WRONG[:2]:
            right = 3 if "draft" in prompt else 0
            run.drafted += bool(right)
            yield run.advance(branch, step, 4, right)
        yield run.told("score", branch, score=score)
        yield from run.close(branch, "stop" if good else "rejected", score)
    if "rewind" in prompt:
        yield run.fork(crowd, 0)
        yield run.rewind(crowd, 8, "".join(STEPS[:2]))
        yield run.advance(crowd, WRONG[2], 4)
        yield run.rewind(crowd, 4, STEPS[0])
        yield run.advance(crowd, WRONG[1], 4)
        yield from run.close(crowd, "rejected", -1.0)


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    server: "Fake"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """The page, and what the page asks first."""
        files, name = page_files(), self.path.rpartition("/")[2].partition("?")[0] or INDEX
        if not self.path.startswith("/v1/"):
            if name not in files:
                return self.answer(404, {"error": {"message": "no such file"}})
            return self.send(200, files[name].body, {"content-type": files[name].media_type, **HEADERS})
        if self.refused():
            return None
        if self.path == "/v1/models":
            names = ["builtin", "builtin:best-of-n"]
            return self.answer(200, {"data": [MODEL | {"id": name, "chat": self.server.chat} for name in names]})
        guides = [{"name": "nudging", "summary": "", "example": 'ramify run "x" --guide "nudging(threshold=0.4)"'}]
        known = {"methods": METHODS, "rewards": ["builtin-prm", "logprob"], "guides": guides, "limits": {"max_n": 64}}
        budget = ["tokens", "reward_tokens", "draft_tokens", "flops", "seconds", "pages"]
        return self.answer(200, known | {"model": "builtin", "budget": budget, "draft": "builtin-draft"})

    def do_POST(self) -> None:
        """A completion or a chat, as a stream."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/detokenize":
            return self.answer(200, {"prompt": "".join(WORDS[token] for token in body["tokens"])})
        self.server.requests.append({"path": self.path, "body": body, "headers": dict(self.headers)})
        prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        n = body["search"].get("n", 4)
        if self.refused():
            return None
        if n > 64:
            error = {"message": f"search.n: {n} is more than this server allows (64)", "param": "search.n"}
            return self.answer(400, {"error": error})
        if "full" in prompt:
            return self.answer(429, {"error": {"message": "256 requests wait"}}, {"retry-after": "3"})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            return self.stream(prompt, n, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.aborted.set()

    def stream(self, prompt: str, n: int, body: dict[str, Any]) -> None:
        """The events, the chosen text, the end."""
        run, chat = Run(n), "messages" in body
        for number, event in enumerate(search(prompt, n, run)):
            self.tell({"choices": [], "search": event}, f"search.{event['kind']}")
            if "broken" in prompt and number > n:
                return self.tell({"error": {"message": "the engine failed", "type": "server_error", "code": "500"}})
            time.sleep(0 if "crowd" in prompt else self.server.pace)
        result = run.result(body["search"]["method"])
        self.tell({"choices": [], "search": result}, "search.result")
        text = result["candidates"][result["best"]]["text"]
        self.tell({"choices": [{"index": 0, "delta": {"content": text}} if chat else {"index": 0, "text": text}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def tell(self, data: Any, event: str | None = None) -> None:
        """One server-sent event."""
        head = f"event: {event}\n" if event else ""
        self.wfile.write(f"{head}data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def refused(self) -> bool:
        """Whether the key is missing; then that is answered."""
        wrong = self.server.key is not None and self.headers.get("authorization") != f"Bearer {self.server.key}"
        if wrong:
            self.answer(401, {"error": {"message": "an API key is needed"}})
        return wrong

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """JSON."""
        self.send(status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Fake(ThreadingHTTPServer):
    """The server; `requests` are those that it got, `aborted` is set when a client went away in a stream."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, key: str | None = None, chat: bool = True, pace: float = 0.01) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key, self.chat, self.pace = key, chat, pace
        self.requests: list[dict[str, Any]] = []
        self.aborted = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        super().__exit__(*args)
