"""The programs that have to be built: ours and the generator."""
import json
import pathlib
import shutil
import subprocess
import sys


def cargo(folder: pathlib.Path, *arguments: str) -> list[pathlib.Path]:
    """Builds, and returns the programs that came of it, the one asked for last."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *arguments]
    built = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    programs = [json.loads(line).get("executable") for line in built]
    return [pathlib.Path(program) for program in programs if program]


def generator(source: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
    """The built generator. Its source may be read-only, and is no part of this checkout: it is built in a copy."""
    if source.is_file():
        return source.resolve()
    if not source.is_dir():
        sys.exit(f"{source}: no load generator; say with --peerload where it is")
    copy = scratch / "peerload"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("target"), dirs_exist_ok=True)
    return cargo(copy, "--target-dir", str(copy / "target"))[-1]
