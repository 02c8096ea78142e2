"""What TRIPOD+AI and CLAIM ask authors to report, and what a run can answer by itself.

The wording is ours and short; the published checklists govern.  TRIPOD+AI: Collins et al. 2024, BMJ 385:e078378 (27
items, some in parts).  CLAIM: Mongan et al. 2020, Radiol Artif Intell 2:e200029, whose item numbers are given; its 2024
update (Tejani et al.) renumbers and rewords, so compare before submitting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xattn_bmd.report import answers
from xattn_bmd.report.material import Material

Answer = Callable[[Material], str]
"""What the run knows about an item; empty text where it knows nothing."""


class Item(NamedTuple):
    """One thing to report.

    Attributes:
        number: item of the published checklist.
        topic: its topic.
        wording: what to report, in our words.
        answer: what the run knows; None where only an author can know.
    """

    number: str
    topic: str
    wording: str
    answer: Answer | None = None


TRIPOD_AI = (
    Item("1", "Title", "Say that a prediction model is developed or evaluated, for whom and for which outcome."),
    Item("2", "Abstract", "Give a structured summary; TRIPOD+AI has its own list for abstracts."),
    Item("3a", "Background", "Explain the clinical setting and why a model is needed, with what exists already."),
    Item("3b", "Background", "Name the people and the point of care it is meant for, and who would use it."),
    Item("3c", "Background", "Describe known differences in health between groups of people."),
    Item("4", "Objectives", "State the aims, and whether the study develops, evaluates or both.", answers.aim),
    Item("5a", "Data", "Name the sources of the data, why they were chosen and whom they represent.", answers.data),
    Item("5b", "Data", "Give the dates of recruitment and measurement."),
    Item("6a", "Participants", "Describe the setting and the centres.", answers.sites),
    Item("6b", "Participants", "Give criteria for inclusion and exclusion."),
    Item("6c", "Participants", "Say which treatments people had, and how these were dealt with."),
    Item("7", "Data preparation", "Describe cleaning and preparation of images and record.", answers.preparation),
    Item("8a", "Outcome", "Define the outcome, how and when it was measured.", answers.outcome),
    Item("8b", "Outcome", "Where judgement is needed, say who judged and how qualified they were."),
    Item("8c", "Outcome", "Say whether the outcome was assessed without knowledge of the predictors."),
    Item("9a", "Predictors", "Say how candidate predictors were chosen.", answers.predictors),
    Item("9b", "Predictors", "Define every predictor with its unit and when it was measured.", answers.units),
    Item("9c", "Predictors", "Where judgement is needed, say who judged the predictors."),
    Item("10", "Sample size", "Explain the number of participants, for development and evaluation.", answers.size),
    Item("11", "Missing data", "Say how missing values were dealt with, and what was left out.", answers.missing),
    Item("12a", "Analysis", "Say how the data were divided for development and evaluation.", answers.division),
    Item("12b", "Analysis", "Say how predictors were handled: scaling, transformation, coding.", answers.scaling),
    Item("12c", "Analysis", "Describe type, building, tuning and internal validation of the model.", answers.building),
    Item("12d", "Analysis", "Say how differences between sites or clusters were dealt with.", answers.clusters),
    Item(
        "12e", "Analysis", "Name the measures and plots of performance, and how models are compared.", answers.measures
    ),
    Item("12f", "Analysis", "Describe any updating of the model, such as recalibration.", answers.recalibration),
    Item("12g", "Analysis", "Say how predictions were computed in the evaluation.", answers.predicting),
    Item(
        "13",
        "Class imbalance",
        "Say whether and how imbalance was dealt with, and what it did to calibration.",
        answers.imbalance,
    ),
    Item("14", "Fairness", "Describe what was done for the model's fairness, and why.", answers.fairness),
    Item("15", "Model output", "Say what the model gives, and why its thresholds were chosen.", answers.output),
    Item("16", "Development and evaluation data", "Name differences between the two."),
    Item("17", "Ethics", "Name the ethics approval and the consent, or why none was needed."),
    Item("18a", "Open science", "Name funding and the part that funders played."),
    Item("18b", "Open science", "Declare conflicts of interest."),
    Item("18c", "Open science", "Say where the protocol can be read."),
    Item("18d", "Open science", "Give the registration, or say that there is none."),
    Item("18e", "Open science", "Say whether and where data can be had."),
    Item("18f", "Open science", "Say where the code can be had.", answers.code),
    Item("19", "Patients and public", "Say how patients or the public took part."),
    Item("20a", "Participants", "Show the flow of participants, with and without the outcome.", answers.flow),
    Item("20b", "Participants", "Describe them overall and by group, with missing values.", answers.table1),
    Item("20c", "Participants", "In an evaluation, compare predictors and outcome with the development data."),
    Item("21", "Model development", "Give numbers of participants and outcomes in every analysis.", answers.numbers),
    Item("22", "Model specification", "Give the whole model, or how to obtain predictions with it.", answers.model),
    Item("23a", "Performance", "Give performance with intervals, also in key groups.", answers.performance),
    Item("23b", "Performance", "Where examined, show how performance differs between clusters.", answers.heterogeneity),
    Item("24", "Model updating", "Give the results of any updating.", answers.updated),
    Item("25", "Interpretation", "Interpret the results, fairness included, beside other studies."),
    Item("26", "Limitations", "Discuss limits: sample, overfitting, missing data, representativeness.", answers.limits),
    Item("27a", "Usability", "Say what happens when inputs are of poor quality or absent."),
    Item("27b", "Usability", "Say what users must do and know."),
    Item("27c", "Usability", "Name the next research, above all on use and on other populations."),
)
"""TRIPOD+AI, all 27 items."""

CLAIM = (
    Item("5", "Study design", "Prospective or retrospective."),
    Item("9", "Pre-processing", "Steps from image file to network input.", answers.preparation),
    Item("12", "De-identification", "How identifying data were removed."),
    Item("14", "Reference standard", "Definition of the truth that predictions are judged by.", answers.outcome),
    Item("20", "Partitions", "How data were assigned to parts, in which proportions.", answers.division),
    Item("21", "Partitions", "Level at which parts are disjoint: image, study, patient, centre.", answers.disjoint),
    Item("22", "Model", "Inputs, outputs and layers of the model.", answers.model),
    Item("23", "Software", "Libraries with versions.", answers.software),
    Item("24", "Initialisation", "Random, or from another model's weights.", answers.initialisation),
    Item("25", "Training", "Augmentation, hyper-parameters, number of models.", answers.building),
    Item("26", "Model choice", "How the final model was chosen.", answers.choice),
    Item("27", "Ensembles", "How several models were joined, where they were."),
    Item("28", "Metrics", "Metrics of performance.", answers.measures),
    Item("29", "Uncertainty", "Intervals and tests.", answers.intervals),
    Item("30", "Robustness", "Analyses of robustness or sensitivity.", answers.heterogeneity),
    Item("31", "Explanation", "Methods that explain, and how they were checked.", answers.explanation),
    Item("32", "External data", "Evaluation on data from elsewhere."),
    Item("37", "Failures", "Analysis of cases that were predicted wrongly."),
)
"""Items of CLAIM that go beyond TRIPOD+AI or are specific to images, in the numbers of 2020."""
