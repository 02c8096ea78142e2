"""Run the study of study.yaml, or parts of it; the same command continues a study that was interrupted.

Run: python experiments/hip_xattn/run.py --out FOLDER [--part primary sizes] [--arm bone] [--draws 10] [--workers 2]
FOLDER/cohorts holds the simulated people, FOLDER/runs/PART/ARM/draw_XX the comparisons, FOLDER/cache what all of them
share; at the end FOLDER/results and FOLDER/README.md hold the tables (tables.py writes them beside this file). With
--quick everything is tiny, to try the road; its figures say nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from origin import Origin, read_origin
from study import EXTERNAL, Arm, CohortPlan, Study, read_study
from tables import publish

from xattn_bmd import Cohort, Predictor, Run, compare, evaluate, load_run, simulate_cohort
from xattn_bmd.errors import ConfigError
from xattn_bmd.simulate.cohort import VERSION
from xattn_bmd.training.environment import commit, machine
from xattn_bmd.training.registry import check_models, model_names

HERE = Path(__file__).parent
SITE_DRAW = 0
"""The people of an external hospital are drawn once."""


def main() -> None:
    """Simulate, compare and evaluate what was asked for, then write the tables."""
    asked = _asked()
    asked.out.mkdir(parents=True, exist_ok=True)
    study = tiny_study(asked.out) if asked.quick else read_study()
    work = Work(study, asked.out, workers=asked.workers)
    arms = _chosen(study, asked)
    for arm in arms:
        check_models(arm.config.models)
    for part in asked.part or study.parts:
        last = {arm: asked.draws or _draws(study, part, arm) for arm in arms if _belongs(study, part, arm)}
        for draw in range(1, 1 + max(last.values(), default=0)):
            for arm in last:
                if draw <= last[arm]:
                    work.do(part, arm, draw)
    print(publish(asked.out, study, results=asked.out / "results", readme=asked.out / "README.md"))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", nargs="+", choices=read_study().parts, help="parts; all unless stated")
    parser.add_argument("--arm", nargs="+", help="arms of these names; all unless stated")
    parser.add_argument("--draws", type=int, help="draws of every arm; those of study.yaml unless stated")
    parser.add_argument("--workers", type=int, default=2, help="fits at a time")
    parser.add_argument("--quick", action="store_true", help="try the road with tiny pictures and networks")
    return parser.parse_args()


def _chosen(study: Study, asked: argparse.Namespace) -> list[Arm]:
    known = {arm.name for arm in study.arms}
    unknown = sorted(set(asked.arm or ()) - known)
    if unknown or (asked.draws or 1) < 1:
        found = f"--arm {' '.join(unknown)}" if unknown else f"--draws {asked.draws}"
        raise ConfigError(f"Arms are {', '.join(sorted(known))} and draws at least 1, but {found} was given; mend it.")
    return [arm for arm in study.arms if (not asked.arm or arm.name in asked.arm) and _possible(arm)]


def _possible(arm: Arm) -> bool:
    import torch

    if arm.needs_gpu and not torch.cuda.is_available():
        print(f"{arm.part} {arm.name}: left out, needs a GPU")
        return False
    return True


def _belongs(study: Study, part: str, arm: Arm) -> bool:
    return arm in study.evaluated if part == EXTERNAL else part == arm.part


def _draws(study: Study, part: str, arm: Arm) -> int:
    return min(arm.draws, study.evaluated_draws) if part == EXTERNAL else arm.draws


def tiny_study(root: Path) -> Study:
    """Return the study with everything tiny, its stored encoder, and without models that this version lacks."""
    import timm
    import torch
    from safetensors.torch import save_file

    weights, raw = root / "tiny_encoder.safetensors", read_study()
    if not weights.is_file():
        torch.manual_seed(0)
        trunk = timm.create_model("test_resnet", in_chans=1, num_classes=0)
        save_file({name: value.contiguous() for name, value in trunk.state_dict().items()}, weights)
    missing = sorted({name for arm in raw.arms for name in arm.config.models} - set(model_names()))
    if missing:
        print(f"left out, not in this version: {', '.join(missing)}")
    study = read_study(encoder=weights)
    return replace(
        study,
        arms=tuple(_without(arm, missing) for arm in study.arms),
        evaluated=tuple(_without(arm, missing) for arm in study.evaluated),
    )


def _without(arm: Arm, missing: Sequence[str]) -> Arm:
    models = tuple(name for name in arm.config.models if name not in missing)
    return replace(arm, config=replace(arm.config, models=models))


class Work:
    """Does the draws of a study in one folder, each at most once.

    Args:
        study: the study.
        root: its folder.
        workers: processes.
    """

    def __init__(self, study: Study, root: Path, *, workers: int) -> None:
        if study.bench != VERSION:
            raise ConfigError(
                f"The study was registered on {study.bench}, but this version simulates {VERSION}; use the version "
                "that simulates the registered hips."
            )
        self.study, self.root, self.workers = study, root, workers
        self.commit, self.machine = commit(HERE), machine()

    def do(self, part: str, arm: Arm, draw: int) -> None:
        """Do one draw of an arm: compare its models, or take its predictors to the external hospitals."""
        if part != EXTERNAL:
            self._compare(arm, draw)
            return
        for site in self.study.sites:
            self._evaluate(arm, draw, site)

    def _compare(self, arm: Arm, draw: int) -> Run:
        folder, seed = arm.folder(self.root, draw), arm.cohort.seed(draw)
        found = read_origin(folder)
        if found is not None and found.settings == arm.digest:
            return load_run(folder)
        begin = time.monotonic()
        run = compare(
            self._cohort(arm.cohort, draw),
            out=folder,
            config=arm.config,
            seed=seed,
            cache=self.root / "cache",
            workers=self.workers,
            progress=False,
        )
        origin = Origin(arm.part, arm.name, draw, seed, arm.digest, self.commit, self.machine, _since(begin))
        self._note(folder, origin)
        return run

    def _evaluate(self, arm: Arm, draw: int, site: CohortPlan) -> None:
        name = arm.outside(site)
        folder = self.root / "runs" / EXTERNAL / name / f"draw_{draw:02d}"
        if read_origin(folder) is not None:
            return
        run, begin, seed = self._compare(arm, draw), time.monotonic(), arm.cohort.seed(draw)
        if not folder.exists():
            models = [model for model in arm.config.models if model in self.study.evaluated_models]
            predictors = [Predictor.from_run(run, model) for model in models]
            cohort = self._cohort(site, SITE_DRAW)
            evaluate(predictors, cohort, out=folder, cache=self.root / "cache", seed=seed)
        origin = Origin(EXTERNAL, name, draw, seed, arm.digest, self.commit, self.machine, _since(begin))
        self._note(folder, origin)

    def _cohort(self, plan: CohortPlan, draw: int) -> Cohort:
        folder = self.root / "cohorts" / f"{plan.name}_{plan.seed(draw)}"
        table = simulate_cohort(
            folder,
            n=plan.n,
            preset=plan.preset,
            seed=plan.seed(draw),
            size=self.study.picture,
            workers=self.workers,
        )
        return Cohort.from_csv(table, images=folder / "images")

    def _note(self, folder: Path, origin: Origin) -> None:
        origin.write(folder)
        print(f"{origin.part} {origin.arm}, draw {origin.draw}: {origin.seconds:.0f} s", flush=True)


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 1)


if __name__ == "__main__":
    main()
