#!/usr/bin/env bash
# One run on a slice of plain TPU VMs that exists already (README: how to ask for one).
#
#   tpu/tpu_vm.sh TPU_NAME ZONE gs://BUCKET MESH pretrain|finetune [more options]
#
# Run it again after a stop: the run resumes. The VMs' own Python is too old, so uv brings one.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 zone=$2
shift 2
archive=$(mktemp -d)/pianist.tar.gz
git archive --format=tar.gz --prefix=pianist/ -o "$archive" HEAD
gcloud compute tpus tpu-vm scp "$archive" "$name": --zone="$zone" --worker=all
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command "
    set -e
    tar xzf pianist.tar.gz
    cd pianist
    command -v uv || { curl -LsSf https://astral.sh/uv/install.sh | sh; }
    export PATH=\$HOME/.local/bin:\$PATH
    [ -d .venv ] || uv venv --python 3.12
    . .venv/bin/activate
    uv pip install -q -r requirements.txt -r tpu/requirements.txt gcsfs
    uv pip install -q --no-deps --no-build-isolation .
    bash tpu/train_host.sh ${*@Q}"
