"""What a process does that takes part in a search; it stops for ever in the middle of a trial where it is told to."""

import time

from tests.search.made_up import asked
from xattn_bmd import Cohort, tune
from xattn_bmd.search import trial


def main(table, out, storage, marker=None, fits=0):
    """Search; after some fits touch the marker and wait to be killed."""
    real, done = trial.fit_job, []

    def fitted(job, study):
        done.append(job)
        if len(done) > fits > 0:
            marker.touch()
            time.sleep(600)
        return real(job, study)

    trial.fit_job = fitted
    tune(Cohort.from_csv(table), out=out, storage=str(storage), **asked())
