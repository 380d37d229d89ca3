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


def chapter(heading):
    """What a chapter has to be typed, in order: each command or block of commands, and as (unit, text) what is to stand in
    a file that `systemctl edit` opens."""
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"## {heading}") + 1
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("## ")), len(lines))
    blocks = []
    for chunk in "\n".join(line if line.startswith("    ") else "" for line in lines[start:end]).split("\n\n"):
        chunk = "\n".join(line.removeprefix("    ") for line in chunk.splitlines() if line)
        if chunk.startswith("[") and isinstance(blocks[-1], tuple):
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]}{chunk}\n")
        elif chunk.startswith("systemctl edit "):
            blocks.append((chunk, ""))
        elif chunk:
            blocks.append(chunk)
    return blocks
