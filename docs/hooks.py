"""A hook of MkDocs: the site is made of the repository's own texts where they stand, so that links hold in both."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHOWN = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "REUSE.toml"),
    *(
        "docs/*.md",
        "examples/*.md",
        "examples/*.png",
        "examples/*.mp3",
        "examples/*.ipynb",
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
    for path in sorted(root.glob("examples/*.ipynb")):
        page = "\n\n".join(page_of(json.loads(path.read_text(encoding="utf-8"))))
        files.append(File.generated(config, f"examples/{path.stem}.md", content=page))
    return files


def page_of(notebook: dict[str, Any]) -> Iterator[str]:
    """A notebook as blocks of Markdown: texts, code, and what it printed and drew."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if output["output_type"] == "stream":
                yield f"```text\n{''.join(output['text']).rstrip()}\n```"
            elif "image/png" in shown:
                drawn = "".join(shown["image/png"]).strip()
                yield f'<img alt="what the cell above shows" src="data:image/png;base64,{drawn}">'
