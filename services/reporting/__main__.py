"""Run reporting: ``python -m services.reporting``; ``--help`` lists its other commands."""

from services.reporting.app import build
from services.reporting.settings import ReportingSettings
from shared.commands import program

if __name__ == "__main__":
    program("reporting", ReportingSettings, build)()
