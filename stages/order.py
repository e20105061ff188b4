"""The stages in the order in which a run goes through them: the one list of them."""

from typing import NamedTuple

from pplr.settings.schedule import Schedule


class Command(NamedTuple):
    """A stage with its arguments, as `python -m stages.launch` takes them."""

    stage: str
    arguments: tuple[str, ...] = ()


FIRST = ("check-settings", "prepare-data", "init-model")
EVALUATION = "evaluate"
ALTERNATION = ("extract-features", "cluster", "compute-agreement", "train-epoch")
LAST = ("summarize", "draw-sheets", "draw-embedding", "draw-attention")
STAGES = (*FIRST, EVALUATION, *ALTERNATION, *LAST)

# The stages that go on from a model, whose name is their second argument.
FROM_A_MODEL = ("extract-features", "train-epoch")


def script(stage: str) -> str:
    """Return the path of a stage's script."""
    return f"stages/{module(stage)}.py"


def module(stage: str) -> str:
    """Return the name of a stage's module in `stages`."""
    return stage.replace("-", "_")


def commands(schedule: Schedule) -> list[Command]:
    """Return every stage of a schedule with its arguments; a model is evaluated once it is made."""

    def evaluation(model: str) -> list[Command]:
        return [Command(EVALUATION, (model,))] if model in schedule.evaluated else []

    listed = [Command(stage) for stage in FIRST]
    listed += evaluation("init")
    for name, previous in schedule.alternations.items():
        for stage in ALTERNATION:
            listed.append(Command(stage, (name, previous) if stage in FROM_A_MODEL else (name,)))
        listed += evaluation(name)
    return listed + [Command(stage) for stage in LAST]
