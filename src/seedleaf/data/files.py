"""Files that others made: listing them without leaving the folder, showing their names, counting what is odd about them."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from seedleaf.errors import DataError

LINK_OUT = "Links that point out of the folder were not followed (copy the files in to use them)"
LINK_DIR = "Linked folders were not followed (copy them in to use them)"
NOT_FILE = "Entries that are neither file nor folder were left out"
NO_ACCESS = "Folders that cannot be read were left out"
HANDFUL = 5  # files that a finding names


class Tally:
    """Counts oddities by kind and keeps the first example of each; `lines()` are the findings."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}
        self.left_out: list[str] = []  # every file of `leave_out`

    def note(self, what: str, example: str, count: int = 1) -> None:
        """One more (or `count` more) of the kind `what`; an example of "" is left out of the finding."""
        if count:
            seen, first = self._seen.get(what, (0, example))
            self._seen[what] = (seen + count, first)

    def leave_out(self, what: str, name: str) -> None:
        """A file of which the user must know: a finding names up to HANDFUL of its kind, `left_out` all."""
        self.left_out.append(name)
        seen, names = self._seen.get(what, (0, ""))
        more = f"{names}, {name}" if seen else name
        self._seen[what] = (seen + 1, more if seen < HANDFUL else names)

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{what}: {n:,}{first and f', e.g. {first}'}" for what, (n, first) in self._seen.items())


def shown(name: str | Path) -> str:
    """A file's name as text that can be printed and stored: bytes that are no UTF-8 become a replacement mark."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def missing(path: Path, names: Iterable[str] = ()) -> DataError:
    """The error for a path that is not there, with the nearest name that is (in its folder, or among `names`)."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    wanted = path.relative_to(parent).parts[0] if path != parent else path.name
    try:
        beside = sorted(os.listdir(parent))
    except OSError:
        beside = []
    folded = {b.casefold(): str(parent / b) for b in beside} | {n.casefold(): n for n in names}
    close = difflib.get_close_matches(wanted.casefold(), list(folded), n=1, cutoff=0.6)
    hint = (
        f"; did you mean {shown(folded[close[0]])}?" if close else f"; the names known are {', '.join(names)}"
    )
    return DataError(f"{shown(path)}: no such file or folder{hint if close or names else ''}")


def list_files(folder: Path, root: Path, tally: Tally) -> list[Path]:
    """Every regular file under `folder`, sorted, none outside `root` (both resolved). What is left out is tallied."""
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        tally.note(NO_ACCESS, shown(error.filename or folder))

    for base, folders, files in os.walk(folder, onerror=refuse, followlinks=False):
        for name in sorted(folders):
            if os.path.islink(os.path.join(base, name)):
                tally.note(LINK_DIR, shown(os.path.relpath(os.path.join(base, name), root)))
        found.extend(p for p in (Path(base, name) for name in files) if _usable(p, root, tally))
    return sorted(found)


def _usable(path: Path, root: Path, tally: Tally) -> bool:
    example = shown(os.path.relpath(path, root))
    try:
        inside = not path.is_symlink() or path.resolve(strict=True).is_relative_to(root)
        regular = inside and stat.S_ISREG(path.stat().st_mode)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        inside, regular = True, False
    if not regular:
        tally.note(NOT_FILE if inside else LINK_OUT, example)
    return regular
