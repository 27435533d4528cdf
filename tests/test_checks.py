"""The checks that `make` runs besides the tests: that they see what they are to see."""

import pytest

from tests.checks.readme import lines_of, program_of, reason_to_leave
from tests.checks.release import problems

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- All.\n"


def test_a_release_that_is_ready_has_no_problems():
    assert problems("1.2.0", CHANGELOG, "title: x\nversion: 1.2.0\n") == []


@pytest.mark.parametrize(
    ("version", "changelog", "citation", "problem"),
    [
        ("1.3.0", CHANGELOG, "version: 1.3.0", "no section [1.3.0]"),
        ("1.2.0", CHANGELOG.replace(" - 2026-01-31", ""), "version: 1.2.0", "no section [1.2.0] with a date"),
        ("1.2.0", CHANGELOG.replace("ed]\n", "ed]\n\n- More.\n", 1), "version: 1.2.0", "under [Unreleased]"),
        ("1.2.0", CHANGELOG, "version: 1.1.0", "CITATION.cff"),
    ],
)
def test_what_speaks_against_a_release_is_told(version, changelog, citation, problem):
    (found,) = problems(version, changelog, citation)
    assert problem in found


def test_commands_are_found_in_a_text():
    text = "Say\n\n    pianist inspect a.mid     # what\n    python -m x; y\n\nand `pianist no`\n\n"
    text += "    pianist bench a \\\n        b -o c\n    make docs\n"
    text += "    import pianist_jax\n    pianist_jax.render(1)\n\nThe end\n"
    commands = ["pianist inspect a.mid", "python -m x; y", "pianist bench a b -o c", "make docs"]
    assert lines_of(text) == commands
    assert program_of(text) == "import pianist_jax\npianist_jax.render(1)\n"
    fenced = "# Python\n\n```python\nimport pianist_jax\n\nif model:\n    render(1)\n```\n\nMore.\n"
    assert program_of(fenced) == "import pianist_jax\n\nif model:\n    render(1)\n"
    assert program_of("none") == ""
    assert [reason_to_leave(line) is None for line in commands] == [True, True, False, False]
