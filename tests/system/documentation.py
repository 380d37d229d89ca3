"""What docs/administration.md tells administrators to type, so that the page can't say what does not work."""
import pathlib

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "administration.md"


def drop_in(unit):
    """The drop-in that the page has for a unit, and the commands that it has behind it."""
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"    systemctl edit {unit}")
    block = []
    for line in lines[start:]:
        if line and not line.startswith("    "):
            break
        block.append(line.removeprefix("    "))
    _, text, commands = "\n".join(block).strip().split("\n\n")
    return text + "\n", commands
