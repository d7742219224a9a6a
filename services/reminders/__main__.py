"""Run reminders: ``python -m services.reminders``; ``--help`` lists its other commands."""

from services.reminders.app import build
from services.reminders.settings import RemindersSettings
from shared.commands import program

if __name__ == "__main__":
    program("reminders", RemindersSettings, build)()
