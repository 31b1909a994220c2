"""Which source for my task: the ranking of `mrntk rank` beside the scores of others, what it costs, how long the command takes.

    python benchmarks/ranking.py [judged] [cost] [command]

judged: from the data of the figure `choosing` (sources, tasks, input maps, seeds; every score before training, the test accuracy
after it): Kendall's tau and the regrets of the first choice and of the best of three, per setting and over all settings, on the
half that was held out when the score was chosen and on all; and, where a form of our score had to be chosen, a choice made anew
for every task on the other tasks alone. Also what scoring took beside training in that sweep. It computes nothing anew.

cost: one forecast of a pretrained network beside the training that it forecasts, with all examples at every step, both once to
compile and once to be timed.

command: `mrntk rank --task mnist5k --sources all`, with the trained sources in the cache and no forecast there, then once more.

Results go to benchmarks/results/ranking.json, and the tables in benchmarks/README.md are written from them.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from figures.claims.judged_scores import (
    FORMS,
    OURS,
    SCORES,
    SETTING,
    SOURCE,
    by_score,
    chosen,
    half,
    kendall,
    quality,
    settings,
    with_ours,
)
from figures.making.registry import committed_data
from mrntk.choosing.candidates import Candidate, model_of, read_source
from mrntk.choosing.scores import forecast
from mrntk.sources.registry import load_source
from mrntk.support.cache import VARIABLE, cache_folder
from mrntk.support.provenance import provenance
from mrntk.support.style import t_interval
from mrntk.tasks import load_task
from mrntk.tasks.task import rows_in_turn
from mrntk.training import fit
from mrntk.training.recipes import reprogramming_optimiser

FOLDER = Path(__file__).resolve().parent
COMMAND = ("rank", "--task", "mnist5k", "--sources", "all")
PAIRS = (("efficientnet-lite0:side=64", "mnist5k"), ("crepe-tiny", "trace"))  # (source, task) whose cost is measured
TIMED = {"examples": 50, "steps": 500}
REAL = ("efficientnet", "crepe", "speech")  # how the names of pretrained networks begin


def judged(data: pd.DataFrame) -> dict:
    """Everything that the data say, as numbers."""
    form, data = chosen(half(data, second=False)), with_ours(data)
    halves = {"held-out half": quality(half(data, second=True)), "all sources and tasks": quality(data)}
    return {
        "form": form,
        "sources": len(data.drop_duplicates(SOURCE)),
        "tasks": data["task"].nunique(),
        "seeds": data["seed"].nunique(),
        "parts": {name: over_settings(found) for name, found in halves.items()},
        "settings": per_setting(halves["all sources and tasks"]),
        "chosen_elsewhere": chosen_elsewhere(data),
        "cost": cost(data),
    }


def over_settings(found: pd.DataFrame) -> list[dict]:
    """A row per score, by tau: its mean over settings, by how much our score is ahead, and what its choices lose."""
    tau, first, three = (by_score(found, column) for column in ("tau", "first", "three"))
    return [
        {"score": score, "settings": len(values), "tau": interval(values), "first": interval(first[score]),
         "three": interval(three[score]),
         "behind": None if score in OURS else interval(tau["ours"] - values)}
        for score, values in tau.items()
    ]  # fmt: skip


def interval(values) -> list[float]:
    """[mean, low, high]: 95 % t interval over settings."""
    return [float(np.mean(values)), *map(float, t_interval(values))]


def per_setting(found: pd.DataFrame) -> list[dict]:
    """A row per setting, means over seeds: tau and regret of our score, and the best other score there."""
    rows = []
    for place, part in found.groupby(SETTING, sort=False):
        means = part.groupby("score")[["tau", "first"]].mean()
        others = means.drop(index=list(OURS))
        rows.append(
            dict(zip(SETTING, place, strict=True))
            | {"sources": int(part["sources"].max()), "tau": float(means.loc["ours", "tau"]),
               "first": float(means.loc["ours", "first"]), "best": str(others["tau"].idxmax()),
               "best_tau": float(others["tau"].max())}
        )  # fmt: skip
    return rows


def chosen_elsewhere(data: pd.DataFrame) -> dict:
    """For every task the form of our score that is best on all other tasks, and the tau that it reaches on this one."""
    table = pd.DataFrame(
        {"task": task, "map": name, "form": form, "tau": kendall(part[f"probe_{form}"], part["test_accuracy"])}
        for (task, name, _), part in settings(data)
        for form in FORMS
    )
    choices, reached = {}, []
    for task, own in table.groupby("task", sort=False):
        choices[task] = str(table[table["task"] != task].groupby("form")["tau"].mean().idxmax())
        reached += list(own[own["form"] == choices[task]].groupby(SETTING)["tau"].mean())
    return {"choices": choices, "tau": interval(reached)}


def cost(data: pd.DataFrame) -> dict[str, list[float]]:
    """{kind of source: [seconds of scoring, seconds of training, their ratio]}, sums over all candidates; a piece's first of a
    kind compiles as well, in both.
    """
    kinds = np.where(data["family"].str.startswith(REAL), "pretrained networks", "networks trained here")
    sums = data.groupby(kinds)[["predicted_seconds", "training_seconds"]].sum()
    return {
        kind: [float(score), float(training), float(score / training)] for kind, score, training in sums.itertuples()
    }


def timed_cost() -> list[dict]:
    """Seconds of a forecast and of the training that it forecasts, for a pretrained network of each domain."""
    return [timed_candidate(Candidate(task, source, "fc"), **TIMED) for source, task in PAIRS]


def timed_candidate(candidate: Candidate, *, examples: int, steps: int) -> dict:
    """Seconds of one candidate; "first" are those that compile as well."""
    name, options = read_source(candidate.source)
    source, task, key = load_source(name, **options), load_task(candidate.task), jax.random.key(0)
    rows = rows_in_turn(task, min(examples, len(task.y_train)), 0)
    x, labels = task.x_train[rows].astype(np.float32), np.asarray(task.y_train)[rows]
    model, x = model_of(source, candidate, task, x, labels, key)
    y = task.one_hot(labels)
    found = {"source": candidate.source, "task": candidate.task, "examples": len(x), "steps": steps}

    def train():
        options = {"optimiser": reprogramming_optimiser(), "epochs": steps, "loss": "ce"}
        jax.block_until_ready(jax.tree.leaves(fit(model, x, y, key=key, **options).model.theta()))

    for what, run in {"forecast": lambda: forecast(model, x, y, key=key, steps=steps), "training": train}.items():
        for turn in ("first", "second"):
            start = time.perf_counter()
            run()
            found[f"{what}_{turn}"] = time.perf_counter() - start
    return found


def timed_command() -> dict:
    """Seconds of the command from a cache without forecasts, and of the second time; the cache is a copy, that of the user
    stays as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(cache_folder(), folder, dirs_exist_ok=True)
        shutil.rmtree(Path(folder) / "forecasts", ignore_errors=True)
        command, found = [sys.executable, "-m", "mrntk", *COMMAND], {}
        for name in ("first", "second"):
            start = time.perf_counter()
            done = subprocess.run(
                command,
                env=os.environ | {VARIABLE: folder},
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=True,
            )
            found[name] = time.perf_counter() - start
    return {"command": " ".join(("mrntk", *COMMAND)), "seconds": found, "said": done.stdout}


# In words.


def judged_table(found: dict) -> str:
    """The tables of what was judged, as Markdown."""
    counts = f"{found['sources']} sources, {found['tasks']} tasks, {found['seeds']} seeds"
    text = [f"{counts}; the form of our score that the first half chooses: {found['form']}."]
    for name, rows in found["parts"].items():
        text += ["", f"#### {name[0].upper()}{name[1:]}: {rows[0]['settings']} settings", ""]
        text += [
            "| score | Kendall's tau | ours is ahead by | lost by the first choice | by the best of three |",
            "|---" * 5 + "|",
        ]
        text += [
            f"| {SCORES[row['score']][0]} | {said(row['tau'])} | {said(row['behind'], '+.2f') if row['behind'] else '-'} | "
            f"{said(row['first'], '.3f')} | {said(row['three'], '.3f')} |"
            for row in rows
        ]
    text += [
        "",
        "#### Setting by setting (all sources)",
        "",
        "| task | map | sources | tau, ours | lost by our first choice | best other |",
    ]
    text += ["|---" * 6 + "|"]
    text += [
        f"| {row['task']} | {row['map']} | {row['sources']} | {row['tau']:.2f} | {row['first']:.3f} | "
        f"{SCORES[row['best']][0]}, {row['best_tau']:.2f} |"
        for row in found["settings"]
    ]
    elsewhere = found["chosen_elsewhere"]
    choices = ", ".join(sorted(set(elsewhere["choices"].values())))
    text += [
        "",
        f"Our score's form chosen for every task on the other tasks alone ({choices}): tau {said(elsewhere['tau'])}.",
    ]
    text += [
        f"Scoring {kind} takes {ratio:.3f} of the time that training them takes ({score:.0f} s of {training:.0f} s)."
        for kind, (score, training, ratio) in found["cost"].items()
    ]
    return "\n".join(text)


def said(values: list[float], form: str = ".2f") -> str:
    return "{:{form}} ({:{form}} to {:{form}})".format(*values, form=form)


def cost_table(found: list[dict]) -> str:
    """Seconds of forecast and training, and their ratio."""
    lines = [
        "| source | task | examples, steps | forecast | training | ratio | forecast, with compiling | training, with compiling |",
        "|---" * 8 + "|",
    ]
    lines += [
        f"| {row['source']} | {row['task']} | {row['examples']}, {row['steps']} | {row['forecast_second']:.1f} s | "
        f"{row['training_second']:.0f} s | {row['forecast_second'] / row['training_second']:.3f} | "
        f"{row['forecast_first']:.1f} s | {row['training_first']:.0f} s |"
        for row in found
    ]
    return "\n".join(lines)


def command_table(found: dict) -> str:
    """How long the command takes, and what it says."""
    seconds = found["seconds"]
    return (
        f"`{found['command']}`: {seconds['first']:.0f} s from a cache without forecasts (trained sources are there), "
        f"{seconds['second']:.1f} s the second time.\n\n```\n{found['said'].rstrip()}\n```"
    )


PARTS = {
    "judged": (lambda: judged(committed_data("choosing")), judged_table),
    "cost": (timed_cost, cost_table),
    "command": (timed_command, command_table),
}


def main():
    """Measure the parts that are asked for, write the results and the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", default=list(PARTS), choices=list(PARTS))
    path, readme = FOLDER / "results" / "ranking.json", FOLDER / "README.md"
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in parser.parse_args().part:
        make, table = PARTS[part]
        found = make()
        origin = provenance()
        records[part] = {"result": found, "provenance": origin}
        path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        begin, end = f"<!-- ranking-{part} -->", f"<!-- end of ranking-{part} -->"
        block = f"{begin}\n### {origin['processor']}, {origin['cores']} cores\n\n{table(found)}\n{end}"
        text = re.sub(f"{begin}.*{end}", lambda _, block=block: block, readme.read_text(encoding="utf-8"), flags=re.S)
        readme.write_text(text, encoding="utf-8")
        print(table(found))


if __name__ == "__main__":
    main()
