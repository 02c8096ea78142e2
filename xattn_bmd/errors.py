"""The errors of this library: each states the rule, the value found and the fix.

Messages never carry identifiers read from a DICOM header (names, birth dates, free text).  A radiograph is named by
the id that the user's own table gives it, or by its position in the table, never by header text.
"""

from __future__ import annotations


class XattnBmdError(Exception):
    """Base of every error that a user can cause and mend; the command line prints it and exits with 2."""


class ConfigError(XattnBmdError):
    """A configuration value is unknown, missing, contradictory or out of range."""


class RadiographError(XattnBmdError):
    """An image file cannot be read as one grey-scale radiograph."""


class VolumeError(XattnBmdError):
    """Files cannot be read as one CT volume in Hounsfield units, or labels do not fit their volume."""


class CohortError(XattnBmdError):
    """The clinical table, or its join with the images, breaks the declared roles; lists every problem at once."""


class FoldPlanError(XattnBmdError):
    """A fold plan cannot be made, does not fit its cohort, or leaks a patient between folds."""


class CacheError(XattnBmdError):
    """The decoded-image cache is truncated, or was made by an incompatible version."""


class SimulationError(XattnBmdError):
    """The simulation cannot start or continue: an impossible subject, a broken asset, an occupied folder."""


class ModelError(XattnBmdError):
    """A model, fusion or backbone is unknown, ill-sized, or needs weights that cannot be had offline."""


class MetricError(XattnBmdError):
    """A table of predictions cannot be scored: wrong columns, wrong shapes, or non-finite values."""


class LocaliseError(XattnBmdError):
    """Boxes cannot be read or used, or what a detector found breaks a rule; lists every problem at once."""


class RunError(XattnBmdError):
    """A run folder cannot be written, continued or read: other configuration, missing folds, full disk."""
