"""``jsrt``: a cohort folder from the chest radiographs and masks that the user holds."""

from __future__ import annotations


def jsrt_command(jsrt: str, scr: str, out: str, *, densities: str | None = None) -> None:
    """Convert your copy of the JSRT chest radiographs and the SCR masks to a cohort folder.

    Args:
        jsrt: folder with the files JPCLN001.IMG to JPCNN093.IMG and the clinical texts, in it or below.
        scr: folder with the SCR masks, such as "left clavicle/JPCLN001.gif", in it or below.
        out: folder to write: images/, masks/, cohort.csv, cohort.yaml.
        densities: CSV with the columns radiograph_id and density (g/cm²); JSRT has none.
    """
    from rich.console import Console
    from rich.progress import Progress

    from xattn_bmd.data.jsrt.convert import convert_jsrt

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("checking, then converting", total=None)
        done = convert_jsrt(
            jsrt,
            scr,
            out,
            densities=densities,
            progress=lambda finished, total: bar.update(task, completed=finished, total=total),
        )
    for note in done.notes:
        print(f"note: {note}")
    print(f"converted radiographs: {done.table}")
