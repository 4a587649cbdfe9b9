"""The machine code that the kernel carries is what its C source becomes, by the commands in the source's head."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import unittest

from kernel import arrays, remap, twins

KERNEL = os.path.dirname(arrays.__file__)
# Another version chooses other instructions for the same source.
COMPILER = "12.2.0"


def compiler_version() -> str:
    if not (shutil.which("gcc") and shutil.which("objcopy")):
        return "none"
    words = ["gcc", "-dumpfullversion"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def build(source: str) -> bytes:
    """Run the first commands of the head in an empty folder."""
    with open(f"{KERNEL}/{source}") as text:
        head = text.read().partition("*/")[0]
    lines = re.sub(r" *\\\n \*", "", head).splitlines()
    commands = [line.strip(" *").partition(" && ")[0].split() for line in lines if re.match(r" \* +(gcc|objcopy) ", line)]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(f"{KERNEL}/{source}", folder)
        for command in commands:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        with open(f"{folder}/{source.replace('.c', '.bin')}", "rb") as code:
            return code.read()


@unittest.skipUnless(platform.machine() == "x86_64", "the code is for x86_64")
@unittest.skipUnless(compiler_version() == COMPILER, f"needs gcc {COMPILER} and objcopy, to compare with")
class MachineCode(unittest.TestCase):
    def test_is_what_the_source_becomes(self) -> None:
        for source, code in (("remap.c", remap.CODE), ("arrays.c", arrays.CODE), ("twins.c", twins.CODE)):
            with self.subTest(source):
                self.assertEqual(build(source).hex(), code["x86_64"])


if __name__ == "__main__":
    unittest.main()
