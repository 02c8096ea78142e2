"""Bone mineral density from radiographs and the clinical record, and an honest answer to whether fusing them helps.

The public names below are imported when first used, so ``import xattn_bmd`` costs nothing.

Example:
    >>> import xattn_bmd
    >>> xattn_bmd.get_reference("lunar_femoral_neck_white_female").sex
    'female'
"""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xattn_bmd.bone.reference import get_reference as get_reference
    from xattn_bmd.bone.tscore import t_score as t_score
    from xattn_bmd.bone.tscore import who_class as who_class
    from xattn_bmd.config import ENSEMBLE_MEMBERS as ENSEMBLE_MEMBERS
    from xattn_bmd.config import CompareConfig as CompareConfig
    from xattn_bmd.config import ImageConfig as ImageConfig
    from xattn_bmd.config import ModelConfig as ModelConfig
    from xattn_bmd.config import TrainingConfig as TrainingConfig
    from xattn_bmd.data.cohort import Cohort as Cohort
    from xattn_bmd.data.datamodule import CohortDataModule as CohortDataModule
    from xattn_bmd.data.folds import FoldPlan as FoldPlan
    from xattn_bmd.data.jsrt.convert import convert_jsrt as convert_jsrt
    from xattn_bmd.data.radiograph import read_radiograph as read_radiograph
    from xattn_bmd.data.volume import read_volume as read_volume
    from xattn_bmd.data.volumes.density import measure_density as measure_density
    from xattn_bmd.data.volumes.labels import read_labels as read_labels
    from xattn_bmd.errors import XattnBmdError as XattnBmdError
    from xattn_bmd.explanation.body.heat_by_zone import HeatByZone as HeatByZone
    from xattn_bmd.explanation.body.heat_by_zone import heat_by_zone as heat_by_zone
    from xattn_bmd.explanation.class_heat import ClassHeat as ClassHeat
    from xattn_bmd.explanation.class_heat import class_heat as class_heat
    from xattn_bmd.explanation.counterfactual.slopes import counterfactual_slopes as counterfactual_slopes
    from xattn_bmd.explanation.explain import explain as explain
    from xattn_bmd.explanation.record.shapley import record_contributions as record_contributions
    from xattn_bmd.explanation.result import Explanation as Explanation
    from xattn_bmd.localise.boxes.files import read_boxes as read_boxes
    from xattn_bmd.localise.boxes.files import write_boxes as write_boxes
    from xattn_bmd.localise.config import LocaliserConfig as LocaliserConfig
    from xattn_bmd.localise.crops.classes import crop_classes as crop_classes
    from xattn_bmd.localise.crops.cohort import crop_cohort as crop_cohort
    from xattn_bmd.localise.crops.stage import CropStage as CropStage
    from xattn_bmd.localise.localiser import Localiser as Localiser
    from xattn_bmd.localise.pictures import picture_sizes as picture_sizes
    from xattn_bmd.metrics.ensemble import hard_vote as hard_vote
    from xattn_bmd.metrics.ensemble import soft_vote as soft_vote
    from xattn_bmd.metrics.patient_risk import patient_risks as patient_risks
    from xattn_bmd.metrics.screening import screening as screening
    from xattn_bmd.metrics.surface import surface_distance as surface_distance
    from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table as class_comparisons_table
    from xattn_bmd.metrics.tables.class_heads import class_heads_table as class_heads_table
    from xattn_bmd.metrics.tables.class_metrics import class_metrics_table as class_metrics_table
    from xattn_bmd.metrics.tables.detection import detection_table as detection_table
    from xattn_bmd.metrics.tables.patient_decision import patient_decision_table as patient_decision_table
    from xattn_bmd.metrics.tables.patient_decision import patient_metrics_table as patient_metrics_table
    from xattn_bmd.metrics.tables.reader_agreement import reader_agreement as reader_agreement
    from xattn_bmd.models.network import build_network as build_network
    from xattn_bmd.report.write import write_report as write_report
    from xattn_bmd.search.result import SearchResult as SearchResult
    from xattn_bmd.search.result import load_search as load_search
    from xattn_bmd.search.result import optimism as optimism
    from xattn_bmd.search.space import SearchSpace as SearchSpace
    from xattn_bmd.search.tune import tune as tune
    from xattn_bmd.segment.bodies import split_bodies as split_bodies
    from xattn_bmd.segment.classes import group_labels as group_labels
    from xattn_bmd.segment.config import SegmenterConfig as SegmenterConfig
    from xattn_bmd.segment.fields import crop_volumes as crop_volumes
    from xattn_bmd.segment.segmenter import VolumeSegmenter as VolumeSegmenter
    from xattn_bmd.simulate.cohort import simulate_cohort as simulate_cohort
    from xattn_bmd.simulate.ct.cohort import simulate_ct as simulate_ct
    from xattn_bmd.simulate.subjects import draw_hips as draw_hips
    from xattn_bmd.training.crossval import compare as compare
    from xattn_bmd.training.evaluation import Evaluation as Evaluation
    from xattn_bmd.training.external import evaluate as evaluate
    from xattn_bmd.training.fits.module import DensityModule as DensityModule
    from xattn_bmd.training.fits.networks import loss_weights as loss_weights
    from xattn_bmd.training.prediction.predictor import Predictor as Predictor
    from xattn_bmd.training.runs.run import Run as Run
    from xattn_bmd.training.runs.run import load_run as load_run
    from xattn_bmd.types import Volume as Volume

_HOMES = {
    "ClassHeat": "explanation.class_heat",
    "Cohort": "data.cohort",
    "CohortDataModule": "data.datamodule",
    "CompareConfig": "config",
    "CropStage": "localise.crops.stage",
    "DensityModule": "training.fits.module",
    "ENSEMBLE_MEMBERS": "config",
    "Evaluation": "training.evaluation",
    "Explanation": "explanation.result",
    "FoldPlan": "data.folds",
    "HeatByZone": "explanation.body.heat_by_zone",
    "ImageConfig": "config",
    "Localiser": "localise.localiser",
    "LocaliserConfig": "localise.config",
    "ModelConfig": "config",
    "Predictor": "training.prediction.predictor",
    "Run": "training.runs.run",
    "SearchResult": "search.result",
    "SearchSpace": "search.space",
    "SegmenterConfig": "segment.config",
    "TrainingConfig": "config",
    "Volume": "types",
    "VolumeSegmenter": "segment.segmenter",
    "XattnBmdError": "errors",
    "build_network": "models.network",
    "class_comparisons_table": "metrics.tables.class_comparisons",
    "class_heads_table": "metrics.tables.class_heads",
    "class_heat": "explanation.class_heat",
    "class_metrics_table": "metrics.tables.class_metrics",
    "compare": "training.crossval",
    "convert_jsrt": "data.jsrt.convert",
    "counterfactual_slopes": "explanation.counterfactual.slopes",
    "crop_classes": "localise.crops.classes",
    "crop_cohort": "localise.crops.cohort",
    "crop_volumes": "segment.fields",
    "detection_table": "metrics.tables.detection",
    "draw_hips": "simulate.subjects",
    "evaluate": "training.external",
    "explain": "explanation.explain",
    "get_reference": "bone.reference",
    "group_labels": "segment.classes",
    "hard_vote": "metrics.ensemble",
    "heat_by_zone": "explanation.body.heat_by_zone",
    "load_run": "training.runs.run",
    "load_search": "search.result",
    "loss_weights": "training.fits.networks",
    "measure_density": "data.volumes.density",
    "optimism": "search.result",
    "patient_decision_table": "metrics.tables.patient_decision",
    "patient_metrics_table": "metrics.tables.patient_decision",
    "patient_risks": "metrics.patient_risk",
    "picture_sizes": "localise.pictures",
    "read_boxes": "localise.boxes.files",
    "read_labels": "data.volumes.labels",
    "read_radiograph": "data.radiograph",
    "read_volume": "data.volume",
    "reader_agreement": "metrics.tables.reader_agreement",
    "record_contributions": "explanation.record.shapley",
    "screening": "metrics.screening",
    "simulate_cohort": "simulate.cohort",
    "simulate_ct": "simulate.ct.cohort",
    "soft_vote": "metrics.ensemble",
    "split_bodies": "segment.bodies",
    "surface_distance": "metrics.surface",
    "t_score": "bone.tscore",
    "tune": "search.tune",
    "who_class": "bone.tscore",
    "write_boxes": "localise.boxes.files",
    "write_report": "report.write",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'xattn_bmd' has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
    value = getattr(_loaded(f"xattn_bmd.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _loaded(module: str) -> ModuleType:
    """Import a module with the garbage collector paused: the many objects of torch and its kin are all kept."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if collects:
            gc.enable()


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
