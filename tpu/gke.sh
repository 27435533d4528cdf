#!/usr/bin/env bash
# One run on GKE: xpk makes a JobSet of it, restarts it after preemptions and faults, and the run resumes.
#
#   tpu/gke.sh CLUSTER IMAGE TPU_TYPE SLICES gs://BUCKET MESH pretrain|finetune [more options]
set -euo pipefail
cluster=$1 image=$2 tpu_type=$3 slices=$4
shift 4
xpk workload create --cluster "$cluster" --workload "pianist-${3}-$(date +%m%d-%H%M)" --tpu-type="$tpu_type" \
    --num-slices="$slices" --docker-image="$image" --max-restarts=50 --command "bash tpu/train_host.sh ${*@Q}"
