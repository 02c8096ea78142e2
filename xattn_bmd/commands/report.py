"""``report``: the page of a run, or of a table that another tool made."""

from __future__ import annotations


def report_command(
    source: str,
    *,
    out: str | None = None,
    reference: str | None = None,
    record: str | None = None,
    seed: int = 0,
    replicates: int = 2000,
) -> None:
    """Write the report of a run, or of a table that another tool made: one HTML file, its figures and tables.

    Args:
        source: finished run folder, or predictions table (CSV).
        out: folder to write in; the run folder itself, or NAME-report beside a table, by default.
        reference: reference population of the T-scores; a run knows its own.
        record: table of clinical variables (CSV) with radiograph_id, for the cohort table and subgroups.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    from xattn_bmd.report.write import write_report

    page = write_report(source, out=out, reference=reference, record=record, seed=seed, replicates=replicates)
    print(f"report: {page}")
