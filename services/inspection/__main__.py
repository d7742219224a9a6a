"""Run inspection: ``python -m services.inspection``; ``--help`` lists its other commands."""

from services.inspection.app import build
from services.inspection.settings import InspectionSettings
from shared.commands import program

if __name__ == "__main__":
    program("inspection", InspectionSettings, build)()
