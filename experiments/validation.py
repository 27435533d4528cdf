"""How well does the bundled model play the validation pieces, against the humans who played them?

    python -m experiments.validation --asap DIR --cache DIR [--model default …] [--samples 4] [--sampling T:P …]

calls `pianist evaluate --dataset asap DIR`, which says more and draws it; `validation.md` beside holds what came out.
"""

import argparse
import sys

from pianist_jax import cli


def main() -> None:
    """Hand over to `pianist evaluate`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", required=True)
    parser.add_argument("--cache", required=True, help="folder of kept alignments")
    parser.add_argument("--model", nargs="+", default=["default"])
    parser.add_argument("--samples", default="4")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--sampling", nargs="+", default=["1:0.95"], help="temperature:top-p[:pedal-top-p]")
    parser.add_argument("--likelihood", default="0", help="humans of each piece on which NLL is measured")
    parser.add_argument("--controls", action="store_true", help="they are always judged")
    parser.add_argument("--out", default="validation", help="OUT.json and OUT.html")
    given = parser.parse_args()
    words = ["--dataset", "asap", given.asap, "--cache", given.cache, "-o", given.out]
    words += ["--samples", given.samples, "--seed", given.seed, "--likelihood", given.likelihood]
    words += [word for name in given.model for word in ("--model", name)]
    words += [word for text in given.sampling for word in ("--sampling", text)]
    sys.argv = ["pianist", "evaluate", *words]
    cli.main()


if __name__ == "__main__":
    main()
