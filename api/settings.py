"""All settings of a store as one tree, and those of the HTTP API, which stand here so that `stonelog config` shows them
without loading a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from stonelog.filestore import (
    PlaceSettings,
    RedactionSettings,
    RetentionSettings,
    RiskSettings,
    SealSettings,
    StoreSettings,
    load_section,
)
from stonelog.indexer import DetectSettings, JobSettings

from .capture.capture_settings import CaptureSettings

__all__ = ["HttpSettings", "Settings"]


class HttpSettings(BaseModel):
    """The section `[http]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """A query that has no answer after so many seconds is stopped; 0: never."""


class Settings(BaseModel):
    """The tree of all settings: a section for each table of stonelog.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: StoreSettings = StoreSettings()
    seal: SealSettings = SealSettings()
    retention: RetentionSettings = RetentionSettings()
    redaction: RedactionSettings = RedactionSettings()
    risk: RiskSettings = RiskSettings()
    place: PlaceSettings = PlaceSettings()
    jobs: JobSettings = JobSettings()
    detect: DetectSettings = DetectSettings()
    http: HttpSettings = HttpSettings()
    capture: CaptureSettings = CaptureSettings()

    @classmethod
    def sections(cls) -> dict[str, type[BaseModel]]:
        """The model of each section."""
        return {name: type(field.default) for name, field in cls.model_fields.items()}

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The settings in force in a store's directory: DIR/stonelog.toml, and the environment, which wins.

        Raises InvalidSetting.
        """
        return cls(**{name: load_section(model, directory, name) for name, model in cls.sections().items()})
