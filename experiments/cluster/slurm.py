"""A comparison on Slurm: dask-jobqueue starts the workers as jobs, this process keeps the scheduler and the run folder.

Run on a login or interactive node: ``python slurm.py cohort.csv images RUN``.  The scheduler listens on the cluster's
private network; change the marked lines to what your cluster has.
"""

from __future__ import annotations

import sys

from dask_jobqueue import SLURMCluster

from xattn_bmd import Cohort, CompareConfig, compare

WORKERS = 16  # at most so many fits at a time

ENVIRONMENT = [
    "export MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_THRESHOLD_=4294967296",
    "export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1",
    "export XATTN_BMD_CACHE=${TMPDIR:-/tmp}/xattn_bmd",
]


def main(table: str, images: str, out: str) -> None:
    """Compare on Slurm jobs; the same command continues a run that was killed."""
    cluster = SLURMCluster(
        queue="gpu",  # your partition
        account=None,  # your account
        interface="ib0",  # the private network
        cores=1,
        processes=1,
        memory="16GB",
        walltime="04:00:00",
        job_extra_directives=["--gres=gpu:1"],
        job_script_prologue=ENVIRONMENT,
        scheduler_options={"dashboard": False},
    )
    with cluster:
        cluster.scale(jobs=WORKERS)
        cluster.wait_for_workers(1)
        config = CompareConfig.from_preset("paper")
        compare(Cohort.from_csv(table, images=images), out=out, config=config, scheduler=cluster.scheduler_address)


if __name__ == "__main__":
    main(*sys.argv[1:])
