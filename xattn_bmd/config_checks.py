"""Rules that several settings share, each refused in one sentence."""

from __future__ import annotations

from xattn_bmd.errors import ConfigError


def at_least(name: str, value: float, least: float) -> None:
    """Refuse a value below the least one.

    Raises:
        ConfigError: naming the setting, the rule and the value.

    Example:
        >>> at_least("folds", 10, 2)
    """
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, but {value} was given; choose a larger value.")


def between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a value that does not lie inside two ends.

    Raises:
        ConfigError: naming the setting, the rule and the value.
    """
    if not low < value < high:
        raise ConfigError(f"{name} must lie between {low} and {high}, but {value} was given; choose another value.")


def share(name: str, value: float) -> None:
    """Refuse a value outside 0 to 1, ends included.

    Raises:
        ConfigError: naming the setting, the rule and the value.
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name} is a share from 0 to 1, but {value} was given; choose one of these.")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not among the allowed ones.

    Raises:
        ConfigError: naming the setting, the words and the one found.
    """
    if value not in allowed:
        raise ConfigError(f"{name} is one of {', '.join(allowed)}, but {value!r} was given; mend the spelling.")


def withheld_shares(*, image: float, record: float, variable: float) -> None:
    """Refuse shares of withheld inputs that leave nothing to learn from.

    Raises:
        ConfigError: naming the setting, the rule and the value.

    Example:
        >>> withheld_shares(image=0.2, record=0.2, variable=0.1)
    """
    for name, value in (("image", image), ("record", record), ("variable", variable)):
        if not 0.0 <= value < 1.0:
            raise ConfigError(
                f"model.{name}_dropout is a share from 0 to below 1, but {value} was given; take 0.2, or 0 for none."
            )
    if image + record >= 1.0:
        raise ConfigError(
            "model.image_dropout and model.record_dropout together leave some radiographs whole, but "
            f"{image} and {record} were given; make them smaller."
        )


def views_differ(views: int, *, moved: bool, mirrored: bool) -> None:
    """Refuse several views of a picture some of which would be the same.

    Args:
        views: number of views.
        moved: whether training turns or shifts pictures.
        mirrored: whether training mirrors pictures.

    Raises:
        ConfigError: naming the settings.

    Example:
        >>> views_differ(5, moved=True, mirrored=False)
    """
    if not moved and views > 1 + mirrored:
        raise ConfigError(
            f"Several views of a picture are turned and shifted within the range of training, but training.test_views "
            f"is {views} and augment.rotation and augment.translation are 0; set one of them, or fewer views."
        )
