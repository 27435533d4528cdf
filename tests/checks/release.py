"""Whether a version may be released: `make release`. Changes nothing.

The version of pyproject.toml must stand in CHANGELOG.md with a date, below an empty [Unreleased]; CITATION.cff must
name it, the tree be clean, and the tag vVERSION be absent or stand at this commit.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def problems(version: str, changelog: str, citation: str) -> list[str]:
    """What speaks against releasing this version, by the texts."""
    found = []
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.M):
        found.append(f"CHANGELOG.md has no section [{version}] with a date")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## \[|\Z)", changelog, re.M | re.S)
    if unreleased and unreleased[1].strip():
        found.append("CHANGELOG.md lists changes under [Unreleased] that belong to a version")
    if f"version: {version}" not in citation:
        found.append(f"CITATION.cff does not name version {version}")
    return found


def git(*words: str) -> str:
    """What git says."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Say what speaks against it; exit code 1 where anything does."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff")]
    found = problems(version, *texts)
    if git("status", "--porcelain"):
        found.append("the tree is not clean")
    if (tagged := git("rev-list", "-n", "1", f"v{version}")) and tagged != git("rev-parse", "HEAD"):
        found.append(f"the tag v{version} stands at another commit")
    for problem in found:
        print(problem)
    if found:
        sys.exit(1)
    print(f"v{version} may be tagged and uploaded (`make dist-check` tries it)")


if __name__ == "__main__":
    main()
