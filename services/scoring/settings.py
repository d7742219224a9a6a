"""Settings of scoring."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class ScoringSettings(Settings):
    """The common ones and how far the rows may be behind."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="SCORING_")

    distance: int = Field(4_000, description="how many pages the stored rows may be behind")
