"""Which torch the program is started on, and what is said where there is none that fits."""

import os
import tempfile
import unittest
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from unittest.mock import patch

from iterit import launch


def with_torch(version, folder=None):
    """An environment with this torch, or without one."""
    missing = PackageNotFoundError("torch") if version is None else None
    spec = ModuleSpec("torch", None, origin=f"{folder}/torch/__init__.py")
    return (
        patch.object(launch, "version", side_effect=missing, return_value=version),
        patch.object(launch, "find_spec", return_value=spec),
    )


class LaunchTest(unittest.TestCase):
    def said(self, version):
        asked, found = with_torch(version, "/elsewhere")
        with asked, found, self.assertRaises(SystemExit) as refused:
            launch.torch_libraries()
        return str(refused.exception)

    def test_a_torch_that_is_missing_or_another_is_named(self):
        self.assertIn("no torch in this environment, expected 2.11\nhint: pip", self.said(None))
        for other in ["2.10.1", "2.12.0+cu130", "3.0", "2.1.11"]:
            self.assertIn(f"torch {other} is in this environment", self.said(other))

    def test_one_that_fits_is_found_without_importing_it(self):
        for version in ["2.11.0", "2.11.1+cpu"]:
            asked, found = with_torch(version, "/elsewhere")
            with asked, found:
                self.assertEqual(launch.torch_libraries(), Path("/elsewhere/torch/lib"))

    def start(self, torch_folder):
        """What the program is started with."""
        asked, found = with_torch("2.11.0", torch_folder)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = Path(folder.name) / "iterit-host"
        program.touch()
        with asked, found, patch.object(launch, "PROGRAM", program):
            with patch("os.execv") as execute, patch.dict("os.environ", LD_LIBRARY_PATH="/a"):
                with patch("sys.argv", ["iterit-host", "doctor"]):
                    launch.main()
                    variable = os.environ["LD_LIBRARY_PATH"]
        execute.assert_called_once_with(program, [str(program), "doctor"])
        return variable

    def test_a_torch_beside_the_package_needs_no_variable(self):
        beside = Path(launch.__file__).resolve().parent.parent
        self.assertEqual(self.start(beside), "/a")
        self.assertEqual(self.start("/elsewhere"), "/elsewhere/torch/lib:/a")

    def test_the_source_of_the_package_has_no_program(self):
        with patch.object(launch, "PROGRAM", Path("/nowhere")):
            with self.assertRaisesRegex(SystemExit, "is missing: this is the source"):
                launch.main()


if __name__ == "__main__":
    unittest.main()
