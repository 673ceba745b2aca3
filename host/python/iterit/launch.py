"""Starts the program that lies in this package, on the torch of this environment.

The program finds libtorch in the torch package beside this one by itself; one that lies elsewhere, or is of
another version, is looked for here, without importing it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

LIBTORCH = "2.11"
"""The libtorch that the program was linked with; another one has other symbols."""

_HERE = Path(__file__).resolve().parent
PROGRAM = _HERE / "_native" / "bin" / "iterit-host"


def main() -> None:
    """Becomes the program, with this process's arguments."""
    if not PROGRAM.is_file():
        raise SystemExit(
            f"error: `{PROGRAM}` is missing: this is the source of the package\n"
            "hint: build the program with cargo, or install the wheel of `cargo xtask wheel`"
        )
    libraries = torch_libraries()
    if libraries != _HERE.parent / "torch" / "lib":
        others = os.environ.get("LD_LIBRARY_PATH")
        os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(libraries), others]))
    os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])


def torch_libraries() -> Path:
    """The folder of libtorch_cpu.so."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        raise SystemExit(
            f"error: there is no torch in this environment, expected {LIBTORCH}\n"
            "hint: pip install 'iterit-host[torch]'"
        ) from None
    if found.split("+")[0].split(".")[:2] != LIBTORCH.split("."):
        raise SystemExit(
            f"error: torch {found} is in this environment, expected {LIBTORCH}\n"
            "hint: install iterit-host[torch] into an environment of its own, such as "
            "uv tool install 'iterit-host[torch]'"
        )
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the torch of this environment cannot be found")
    return Path(spec.origin).parent / "lib"


if __name__ == "__main__":
    main()
