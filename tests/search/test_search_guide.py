"""The example of docs/search.md runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from axhw.search.archive import Archive

GUIDE = Path(__file__).parents[2] / "docs" / "search.md"


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, str(GUIDE), "exec"), names)
    archive = names["archive"]
    assert isinstance(archive, Archive)
    assert len(archive) == 60
