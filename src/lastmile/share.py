"""Where the project's data files are: in the checkout, or below an installation's prefix."""

from __future__ import annotations

import sys
from pathlib import Path

from lastmile.errors import UserError


def find_share(relative: str | Path) -> Path:
    """
    Find a file or folder of launch/, config/, maps/ or sim/.

    A checkout holds it beside src/; an installation below `<prefix>/share/lastmile`.

    Raises
    ------
    UserError
        If it is in neither.

    """
    parents = Path(__file__).resolve().parents
    places = [parents[2] / relative] if (parents[2] / "package.xml").is_file() else []
    places += [parent / "share" / "lastmile" / relative for parent in (*parents, Path(sys.prefix))]
    for place in places:
        if place.exists():
            return place
    raise UserError(f"{relative} is neither in the checkout nor below {sys.prefix}/share/lastmile")


def find_site(name_or_path: str | Path) -> Path:
    """
    Find a site bundle by its folder, or by its name among the project's maps.

    Raises
    ------
    UserError
        If it is in neither; the message lists the sites that there are.

    """
    path = Path(name_or_path)
    if path.is_dir():
        return path
    maps = find_share("maps")
    if path.name == str(name_or_path) and (maps / path).is_dir():
        return maps / path
    known = ", ".join(sorted(p.name for p in maps.iterdir() if p.is_dir()))
    raise UserError(f"site {str(name_or_path)!r} is no folder and not among {known or 'no sites'}")
