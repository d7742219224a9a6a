"""Settings of reminders."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class RemindersSettings(Settings):
    """The common ones and the patience with silent owners."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="REMINDERS_")

    patience: timedelta = Field(
        timedelta(minutes=5),
        description="after so long without Said an owner is called silent, to operators only",
    )
    distance: int = Field(4_000, description="how many pages the stored states may be behind")
