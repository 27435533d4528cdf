"""A hook of MkDocs: the site is made of the repository's own texts where they stand, so that links hold in both."""

from pathlib import Path
from typing import Any

SHOWN = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"),
    *(
        "docs/*.md",
        "examples/*.md",
        "examples/*.png",
        "experiments/**/*.md",
        "experiments/**/*.png",
        "experiments/*.py",
    ),
    *("tpu/*", "pianist_jax/weights/*.md", "pianist_jax/audio/grand/*.md"),
)


def on_files(files: Any, config: Any) -> Any:
    """All files of the site, by their paths in the repository."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for file in list(files):
        if file.abs_src_path and Path(file.abs_src_path).is_relative_to(config.docs_dir):
            files.remove(file)
    for path in sorted({path for pattern in SHOWN for path in root.glob(pattern) if path.is_file()}):
        files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files
