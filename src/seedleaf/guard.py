"""What goes wrong on purpose, told in one line and an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from seedleaf.errors import SeedleafError

T = TypeVar("T")


def guarded(work: Callable[[], T], as_json: bool) -> T:
    """Run `work`; what goes wrong on purpose becomes one line on stderr and exit code 2 (130 for Ctrl-C)."""
    try:
        return work()
    except BrokenPipeError:  # whoever was reading has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (SeedleafError, ValueError, OSError) as error:
        said = _one_line(error)
        if as_json:
            typer.echo(json.dumps({"error": said, "kind": type(error).__name__}, ensure_ascii=False))
        typer.echo(f"seedleaf: {said}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt as error:
        hint = "".join(f"; everything measured is kept; {note}" for note in _notes(error)[:1])
        typer.echo(f"seedleaf: interrupted{hint}", err=True)
        raise typer.Exit(130) from None


def _one_line(error: Exception) -> str:
    """What went wrong and what to do, for a person."""
    text = str(error)
    if isinstance(error, OSError):
        text = f"{error.filename or 'a file'}: {error.strerror or error}"
    said = "; ".join(" ".join(part.split()) for part in (text, *_notes(error)))
    return "".join(c if c.isprintable() else " " for c in said)  # a column's name must not steer the terminal


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])
