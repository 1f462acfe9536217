"""The model card as Markdown, made from the figures of the evaluation and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stswatch.pipeline.evaluation.dark_figures import dark_text
from stswatch.pipeline.evaluation.figures import FIGURES, LEADS_A_DAY
from stswatch.pipeline.evaluation.groups import groups_text

# ----------------------------------------------------------------------------------------------------------------
# What the model card says in so many words, whatever the figures are; sections by name, `{...}` filled by card.py

HEAD = """# Card of the trained scorecard

Made by `stswatch evaluate` from the figures in `evaluation.json` beside it: not edited by hand. Ranges in brackets hold
95 of 100 draws of vessels."""

USE = """## What it is for

It ranks encounters for people who look at them one by one. It sees what was measured of a meeting and where it was,
never flag, name, list or past decision. Each feature adds points of its own; there are no interactions, so the reasons
that are shown add up to the score. A high score is a lead and no finding: most meetings at sea are lawful."""

SEAS = """Card `{model_id}`. The seas, with their seeds, were fixed before training, and no seed is in two of them. Of
several encounters of one true meeting the longest stands for it; the others are repeats and left out. A transfer that
gave no encounter is missed. In training, transfers and all other encounters count the same in sum; {settings}.
What is not known of a meeting gives no points, and a silence beside it is not known while its cause is not judged."""

RANKING = """Recall counts all transfers, those that gave no encounter too. A published rule passes or fails a
meeting; at a number of leads that falls among equals the mean over all their orders is told. {fleet:,.0f} vessels
were heard on an average day. Vessel-days are days on which a vessel was heard. No order can find more than {most}."""

AGES = """The trained card so many days after a meeting: at 0 what a watch sees of one that has just ended, at the last
what becomes of its score. Calls, draughts and silences of the days between change it. Days 31 to 35 have a whole month
before them and ten days after them."""

PUBLISHED = "As published, without an order:"

PAIRED = """Recall of the trained card less that of the other, over the same draws of vessels; then the share of draws
in which it is more. The last rows set a variant of the card, or the card on shifted seas, against the best baseline."""

DETECTION = """What became an encounter at all, before any score. Nine of ten starts and ends are within the minutes
shown."""

FAMILIES = """Recall of all transfers of a family, at cut-offs that 1 % and 5 % of all other encounters pass."""

LOOK_ALIKES = """Which lawful meetings pass most often, at the same two cut-offs of the trained card. `chance` are ships
that no scenario brought together, `none` encounters under which no true meeting lies."""

FEATURES = """ROC AUC of each feature alone, transfers against all other encounters (and against look-alikes), in its
better direction, where it is known. {over} The last column says by how much the precision-recall AUC of the card falls
where the points of the feature are dealt out anew among all encounters: what the card owes it."""

SECOND = """The same cards on seas of a second simulator, whose traffic, motion, radio and coast were made anew without
sight of the first. These figures stand apart and are pooled with none above."""

SHIFTED = """The same cards on seas with parameters that training did not have."""

LEFT_OUT = """Share that passes at a false-positive rate of 5 %, with the family in training and left out of it. For
transfers it should stay high, for others low."""

CALIBRATION = """Read as log-odds, with transfers and others counted the same: slope {slope:.2f} (1 would be right),
intercept {intercept:.2f} (0 would be right), {mean_error:.3f} off on average. With transfers as rare as they are at sea
the score is no log-odds of anything."""

CUT_OFFS = """What passes at the cut-off of each card, from which a meeting is a lead unless `[lead] min_score` says
another, and at the scores that 1 % and 5 % of the other encounters reach. That of the trained card
is {score:g}: {reason}."""

EXPECTED = """What a watch floor would get if other encounters were as frequent as in the simulated sea. Nobody knows
how frequent transfers are; three guesses."""

ARCHIVES = """Encounters in public archives that pass: the cut-off of a trained card, that which 5 % of the other
encounters of the simulated seas pass, or the rule as published. All are taken to be lawful. The rank is that of an
operation of which it is known that it took place; it is lawful too, and a meeting like a transfer: that it ranks high
shows what AIS can tell and what it cannot."""

SILENCES = """Gaps by what they were judged to be, against the truth that the set was off, whatever the cause. The
oracle knows the simulator's own chance of each silence and decides what it finds at 0.99; none can do better."""
SILENCE_HEADS = {
    "number": "number",
    "off": "off",
    "precision": "precision of silenced",
    "recall": "recall",
    "oracle_precision": "oracle's precision",
    "oracle_recall": "oracle's recall",
    "decided": "decided by the oracle",
    "precision_of_decided": "precision there",
    "recall_of_decided": "recall there",
    "undecided_not_silenced": "undecided and not silenced",
}

LIMITS = """## Limits

- **Simulated scenarios, not the field.** No labelled set of transfers near North Korea is public. Transfers and
  look-alikes were drawn by a program from published descriptions; how often each happens is an assumption. The figures
  say how well the card parts these scenarios, not how well it would do at sea.
- **A rank, not a probability.** How many leads are transfers depends on how frequent transfers are, which nobody knows.
- **Encounters of two vessels that both report.** Where one or both are silent there is no encounter, and no score: such
  transfers count as missed in every recall above.
- **Learned from one simulator.** What the seas of training share with those of the evaluation, other seeds of the same
  program, it knows too well. Shifted seas and families left out say how much; real waters differ more.
- **What was not heard speaks for nobody either.** A tug whose type was not received is not known to be one.
- Told per scenario, family and place; not per flag, which it does not see, nor per size or receiver."""


# --------------------------------- The model card as Markdown, made from the figures of `judge` and from nothing else

Evaluation = Mapping[str, Any]
MOST_AUC = 0.85  # above it a single feature would give the simulated truth away
_RATES = ("1%", "5%")


def markdown(evaluation: Evaluation) -> str:
    """The card; the same figures give the same text."""
    sections = (
        ("In short", verdict(evaluation)),
        ("The seas", _seas(evaluation)),
        ("How it ranks", _ranking(evaluation)),
        ("At an equal number of leads", _paired(evaluation)),
        ("As the days go by", f"{AGES}\n\n{_all_figures(_by_age(evaluation))}"),
        ("What becomes an encounter", _detection(evaluation)),
        ("By family of transfers", _families(evaluation)),
        ("By family of others", _look_alikes(evaluation)),
        ("By group of vessels", groups_text(evaluation.get("groups"))),
        ("What a single feature gives away", _features(evaluation)),
        ("On shifted seas", f"{SHIFTED}\n\n{_all_figures(evaluation['shifted'])}"),
        ("On a second simulator", _second(evaluation)),
        ("A practice that training did not know", _left_out(evaluation)),
        ("Calibration", f"{CALIBRATION.format(**evaluation['calibration'])}\n\n![Calibration](calibration.png)"),
        ("Cut-offs", _cut_offs(evaluation)),
        ("Expected leads and precision", _expected(evaluation)),
        ("Silences", silences_text(evaluation.get("silences"))),
        ("Dark meetings", dark_text(evaluation.get("dark"))),
        ("Real archives", _archives(evaluation)),
    )
    parts = [f"## {title}\n\n{text}" for title, text in sections if text]
    return "\n\n".join([HEAD, parts[0], USE, *parts[1:], LIMITS]) + "\n"


def verdict(evaluation: Evaluation) -> str:
    """Whether the card beats the best baseline at an equal number of leads, as the ranges say."""
    best = evaluation["best_baseline"]
    against = evaluation["paired"][best]
    more = [k for k, one in against.items() if one["difference"][1] > 0]
    less = [k for k, one in against.items() if one["difference"][2] < 0]
    if len(more) == len(LEADS_A_DAY):
        says = f"finds more than the best baseline, {best}, at {_and(more)} leads a day"
    elif more:
        says = f"finds clearly more than the best baseline, {best}, only at {_and(more)} leads a day"
    else:
        says = f"does **not** find clearly more than the best baseline, {best}, at any number of leads"
    lost = f", and clearly less at {_and(less)}" if less else ""
    return f"The trained scorecard {says}{lost}. All of it was measured on simulated seas."


def _seas(evaluation: Evaluation) -> str:
    rows = (
        (
            name.replace("_", "-"),
            _spans(of["seeds"]),
            f"{of['vessel_days']:,.0f}",
            f"{of['days']:g}",
            *(f"{of['encounters'].get(kind, 0):,}" for kind in ("transfer", "look_alike", "traffic")),
            f"{of['missed_transfers']:,}",
            f"{of['repeats']:,}",
        )
        for name, of in evaluation["seas"]["counts"].items()
    )
    heads = ("sea", "seeds", "vessel-days", "days", "transfers found", "look-alikes", "traffic", "missed", "repeats")
    plans = "\n".join(f"- {name}: {text}." for name, text in evaluation["seas"].get("plans", {}).items())
    settings = evaluation["card"]["training"].get("settings", {})
    how = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items())
    text = SEAS.format(model_id=evaluation["card"]["model_id"], settings=how or "set by hand")
    return "\n\n".join(part for part in (text, plans, _table(heads, rows)) if part)


def _ranking(evaluation: Evaluation) -> str:
    rules = (
        (
            row["name"],
            f"{row['leads_a_day']:.1f}",
            *(_number(row[k]) for k in ("recall", "precision", "false_per_1000_vessel_days")),
        )
        for row in evaluation["published"]
    )
    heads = ("rule", "leads a day", "recall", "precision", "false leads per 1,000 vessel-days")
    of = evaluation["seas"]["counts"]["held_out"]
    most = _and(f"{share:.2f} at {k} leads a day" for k, share in evaluation["ceilings"].items())
    text = RANKING.format(fleet=of["vessel_days"] / of["days"], most=most)
    pictures = "![Precision over recall](precision_recall.png)\n\n![Recall over leads a day](leads.png)"
    return "\n\n".join([pictures, _all_figures(evaluation["figures"]), text, PUBLISHED, _table(heads, rules)])


def _all_figures(by_score: Evaluation) -> str:
    """A row per figure, a column per way of ranking."""
    rows = ((what, *(_range(of[key]) for of in by_score.values())) for key, what, _ in FIGURES)
    return _table(("", *by_score), rows)


def _by_age(evaluation: Evaluation) -> dict[str, Any]:
    late = {f"days 31 to 35, {age} d": of for age, of in evaluation.get("days_31_to_35", {}).items()}
    return {f"{age} d": of for age, of in evaluation["ages"].items()} | late


def _paired(evaluation: Evaluation) -> str:
    harder = {f"{evaluation['best_baseline']}: {how}": of for how, of in evaluation["harder"].items()}
    rows = (
        (name, *(f"{_signed(one['difference'])}, {one['above']:.0%}" for one in of.values()))
        for name, of in (evaluation["paired"] | harder).items()
    )
    return f"{PAIRED}\n\n" + _table(("against", *(f"{k} leads a day" for k in LEADS_A_DAY)), rows)


def _detection(evaluation: Evaluation) -> str:
    rows = (
        (
            row["family"],
            row["scenario"],
            f"{row['transfers']}",
            _number(row["found"] / row["transfers"]),
            *("" if row[k] is None else f"{row[k]:g}" for k in ("start_off_min", "end_off_min")),
        )
        for row in evaluation["detection"]
    )
    heads = ("family", "scenario", "transfers", "share found", "starts within, min", "ends within, min")
    return f"{DETECTION}\n\n{_table(heads, rows)}"


def _families(evaluation: Evaluation) -> str:
    names = list(evaluation["families"][0]["recall"]) if evaluation["families"] else []
    columns = [(name, rate) for name in names for rate in _RATES]
    rows = (
        (row["family"], f"{row['transfers']}", f"{row['found']}", *(_range(row["recall"][n][r]) for n, r in columns))
        for row in evaluation["families"]
    )
    return f"{FAMILIES}\n\n" + _table(("family", "transfers", "found", *(f"{n}, {r}" for n, r in columns)), rows)


def _look_alikes(evaluation: Evaluation) -> str:
    rows = (
        (row["family"], f"{row['encounters']:,}", *(f"{row['passing'][rate]:.1%}" for rate in _RATES))
        for row in sorted(evaluation["look_alikes"], key=lambda row: -row["passing"]["5%"])
    )
    return f"{LOOK_ALIKES}\n\n" + _table(("family", "encounters", *_RATES), rows)


def _features(evaluation: Evaluation) -> str:
    rows = (
        (
            f"`{row['feature']}`",
            "yes" if row["place"] else "",
            _number(row["auc"]),
            _number(row["auc_look_alikes"]),
            _number(row["known"]),
            f"{row['cost']:.3f}",
        )
        for row in evaluation["features"]
    )
    over = " ".join(
        _over(evaluation, key, whom) for key, whom in (("auc_look_alikes", "look-alikes"), ("auc", "all else"))
    )
    heads = ("feature", "place", "against all", "against look-alikes", "share known", "cost")
    return f"{FEATURES.format(over=over)}\n\n{_table(heads, rows)}\n\n![Points of each feature](points.png)"


def _over(evaluation: Evaluation, key: str, whom: str) -> str:
    """Which features alone say too much against whom."""
    names = [f"`{row['feature']}`" for row in evaluation["features"] if (row[key] or 0.0) > MOST_AUC]
    return f"Against {whom} {'**' + _and(names) + '**' if names else 'none'} is above {MOST_AUC}."


def _second(evaluation: Evaluation) -> str:
    """The figures, families and look-alikes of the second simulator; nothing where none was watched."""
    if not (of := evaluation.get("second")):
        return ""
    return "\n\n".join([SECOND, _all_figures(of["figures"]), _families(of), _look_alikes(of)])


EVENT_HEADS = {"number": "there were", "recall": "found", "false_per_1000": "false rows per 1,000 vessel-days"}


def silences_text(measured: Mapping[str, Any] | None) -> str:
    """How well silences were judged, as silences.py measured it, in tables; nothing where it was not asked for."""
    if not measured:
        return ""
    parts = [SILENCES]
    for style in ("first", "second"):
        for sea in measured[style]:
            shown = [name for name in SILENCE_HEADS if name in sea["table"][0]]
            rows = ([str(row["gaps"]), *(_count(row[name]) for name in shown)] for row in sea["table"])
            parts += [
                f"{style} simulator, seed {sea['seed']}:",
                _table(("gaps", *(SILENCE_HEADS[name] for name in shown)), rows),
            ]
            events = (
                [str(row["event"]), *("" if row[k] is None else _count(row[k]) for k in EVENT_HEADS)]
                for row in sea.get("events", ())
            )
            if "events" in sea:
                parts.append(_table(("what", *EVENT_HEADS.values()), events))
            if "calibration" in sea:
                bands = (
                    [f"{row['share']:.0%}", row["band"], *(_count(row[name]) for name in ("number", "p_off", "off"))]
                    for row in sea["calibration"]
                )
                parts.append(_table(("share of gaps that are off", "p_off", "gaps", "mean p_off", "were off"), bands))
    return "\n\n".join(parts)


def _count(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else _number(value)


def _left_out(evaluation: Evaluation) -> str:
    rows = (
        (
            row["family"],
            "transfers" if row["transfers"] else "others",
            f"{row['encounters']:,}",
            *(_number(row[k]) for k in ("in", "out")),
        )
        for row in evaluation["left_out"]
    )
    return f"{LEFT_OUT}\n\n" + _table(("family", "kind", "encounters", "in training", "left out"), rows)


def _cut_offs(evaluation: Evaluation) -> str:
    rows = (
        (name, *(_number(row[k]) for k in ("least_score", "false_rate", "leads_a_day", "recall", "precision")))
        for name, of in evaluation["cut_offs"].items()
        for row in of
    )
    heads = ("scorecard", "score from", "false-positive rate", "leads a day", "recall", "precision")
    return f"{CUT_OFFS.format(**evaluation['card']['cut_off'])}\n\n{_table(heads, rows)}"


def _expected(evaluation: Evaluation) -> str:
    rows = (
        (
            f"{row['false_rate']:.0%}",
            f"{row['transfers_per_1000_vessel_days']:g}",
            f"{row['vessels']:,}",
            f"{row['leads_a_day']:,.1f}",
            f"{row['precision']:.3f}",
        )
        for row in evaluation["expected"]
    )
    heads = ("false-positive rate", "transfers per 1,000 vessel-days", "vessels", "leads a day", "precision")
    return f"{EXPECTED}\n\n{_table(heads, rows)}"


def _archives(evaluation: Evaluation) -> str:
    if not evaluation["archives"]:
        return "No real archive was given (`--archive FILE`): no figure of this card is of real traffic."
    parts = [ARCHIVES]
    for archive in evaluation["archives"]:
        size = f"**{archive['name']}**: {archive['vessel_days']:,.0f} vessel-days, {archive['encounters']:,} encounters"
        pair = archive.get("pair")
        met = f", {pair['encounters']} of them of {pair['mmsi'][0]} and {pair['mmsi'][1]}" if pair else ""
        rows = (
            (name, f"{of['passing']:,}", _number(of["per_1000_vessel_days"]), f"{of['rank']:g}" if "rank" in of else "")
            for name, of in archive["by"].items()
        )
        parts += [f"{size}{met}.", _table(("ranked by", "pass", "per 1,000 vessel-days", "rank"), rows)]
    return "\n\n".join(parts)


def _range(of: Sequence[float | None]) -> str:
    return f"{_number(of[0])} ({_number(of[1])} to {_number(of[2])})"


def _signed(of: Sequence[float]) -> str:
    return f"{of[0]:+.3f} ({of[1]:+.3f} to {of[2]:+.3f})"


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _spans(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1 else _and(seeds)


def _and(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
