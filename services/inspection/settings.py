"""Settings of inspection."""

from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class InspectionSettings(Settings):
    """All of them are common ones."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="INSPECTION_")
