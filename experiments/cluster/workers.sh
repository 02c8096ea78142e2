#!/usr/bin/env bash
# One `dask worker` for each slot of this machine: SLOTS a GPU, or SLOTS in all where there is no GPU.
# Usage: bash workers.sh tcp://10.0.0.5:8786 [SLOTS]
set -euo pipefail

scheduler=$1
slots=${2:-1}

export MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_THRESHOLD_=4294967296
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export XATTN_BMD_CACHE=${XATTN_BMD_CACHE:-/tmp/$USER/xattn_bmd}

gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || echo none)
trap 'kill $(jobs -p) 2>/dev/null' EXIT
for gpu in $gpus; do
    for _ in $(seq "$slots"); do
        if [ "$gpu" != none ]; then export CUDA_VISIBLE_DEVICES=$gpu; fi
        dask worker "$scheduler" --nthreads 1 --memory-limit 0 --no-dashboard &
    done
done
wait
