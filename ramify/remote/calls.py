"""What the rest of this package wants of an HTTP client (`client` is one), and how it says that a try failed."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from ramify.core.ledger import ServerAccount

Json = Mapping[str, Any]
T = TypeVar("T")


class Taker(Protocol):
    """Takes the events of one try of a stream."""

    def take(self, event: Json) -> bool:
        """Take one; whether the rest is still wanted. May raise Failed."""

    def is_whole(self) -> bool:
        """Whether what came is all, should the stream end here."""


class Failed(Exception):
    """A try that failed, and that the next may not.

    `asked` is for how many seconds the server wants to be left alone; `crowded` says that fewer requests at a time may
    help.
    """

    def __init__(self, why: str, status: int | None = None, asked: float | None = None, crowded: bool = False) -> None:
        super().__init__(why)
        self.status, self.asked, self.crowded = status, asked, crowded


class Caller(Protocol):
    """Sends requests, again where that may help.

    Laws: `read` (and a taker) may raise Failed: then the request is sent again, and for a stream `begin` makes another
    taker. RemoteError is raised where no more tries are left, or more would not help.
    """

    async def get(self, path: str, account: ServerAccount, *, retries: int | None = None) -> Any:
        """The JSON of an answer."""

    async def post(
        self,
        path: str,
        body: Json,
        account: ServerAccount,
        read: Callable[[Any], T],
        *,
        retries: int | None = None,
    ) -> T:
        """What `read` makes of the JSON of an answer."""

    async def stream(self, path: str, body: Json, account: ServerAccount, begin: Callable[[], Taker]) -> None:
        """Hand every event of a stream to a taker, until it wants no more: then hang up."""

    async def close(self) -> None:
        """Hang up."""
