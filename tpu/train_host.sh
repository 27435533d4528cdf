#!/usr/bin/env bash
# What every host of a job runs: bring the data here, then train. Started again, it goes on from the last checkpoint.
#
#   tpu/train_host.sh ROOT MESH pretrain|finetune [more options of `pianist pretrain` or `pianist finetune`]
#
# ROOT is a bucket (gs://…) or a folder that all hosts share. It holds prepared/CORPUS and pairs, as `pianist prepare`
# and `pianist pairs` write them, and receives runs/STAGE. MESH is a preset of pianist_jax/config.py.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$1 mesh=$2 stage=$3
shift 3

here=$root
if [[ $root == gs://* ]]; then # shards are read at random, so they come to the host's disk, once
    here=$HOME/pianist-data
    if [[ ! -e $here/complete ]]; then
        rm -rf "$here"
        for folder in prepared pairs; do
            python -c 'import gcsfs, sys; gcsfs.GCSFileSystem().get(*sys.argv[1:], recursive=True)' \
                "$root/$folder" "$here/$folder"
        done
        touch "$here/complete"
    fi
fi

shards=(--shards "$here/pairs")
if [[ $stage == pretrain ]]; then
    shards=()
    for corpus in "$here"/prepared/*/; do shards+=(--shards "$corpus"); done
fi
exec pianist "$stage" --config experiments/default.py --mesh "$mesh" "${shards[@]}" --validation "$here/pairs" \
    --workdir "$root/runs/$stage" "$@"
