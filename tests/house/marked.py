"""Passages of a document that are made from the code, between two markers:

<!-- made: tree -->
...
<!-- end: tree -->
"""

import re


def passage(text: str, name: str) -> str:
    """What stands between the markers, without surrounding blank lines.

    Raises:
        LookupError: the document has no such markers, or has them twice.
    """
    found = _pattern(name).findall(text)
    if len(found) != 1:
        raise LookupError(f"{len(found)} passages named {name!r}, one is needed")
    return str(found[0]).strip("\n")


def replaced(text: str, name: str, content: str) -> str:
    """The document with `content` between the markers."""
    passage(text, name)
    whole = f"<!-- made: {name} -->\n{content}\n<!-- end: {name} -->"
    return re.sub(rf"<!-- made: {name} -->.*?<!-- end: {name} -->", lambda _: whole, text, flags=re.DOTALL)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- made: {name} -->(.*?)<!-- end: {name} -->", re.DOTALL)
